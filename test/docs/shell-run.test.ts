import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writableHub } from '../helpers/local-hub.js';
import { codeBlocks, documents, ROOT } from './blocks.js';
import { writeSampleFiles } from './sample-files.js';

const MINUTES = 60_000;

/** Trainings of the demo among them: some ten minutes on two cores. */
const isAsked = process.env.PERMAFROST_DOCS === '1';

describe.skipIf(!isAsked)('the shell blocks of the documents (PERMAFROST_DOCS=1)', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'permafrost-shell-'));
  const samples = join(temporary, 'samples');
  const bin = join(temporary, 'bin');
  let env: NodeJS.ProcessEnv;

  async function shell(code: string, directory: string): Promise<{ status: number; told: string }> {
    const child = spawn('bash', ['--norc', '-euo', 'pipefail', '-c', code], { cwd: directory, env });
    const ended = once(child, 'close') as Promise<[number]>;
    const [out, err, [status]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { status, told: `${out}${err}` };
  }

  beforeAll(async () => {
    mkdirSync(samples);
    mkdirSync(bin);
    // As an installed package puts it on the PATH; npx is given its name first.
    const ours = `exec "${process.execPath}" "${join(ROOT, 'dist', 'cli', 'main.js')}" "$@"`;
    const programs = { permafrost: ours, npx: `shift\n${ours}` };
    for (const [program, script] of Object.entries(programs)) {
      writeFileSync(join(bin, program), `#!/bin/bash\n${script}\n`);
      chmodSync(join(bin, program), 0o755);
    }
    await writeSampleFiles(samples);
    cpSync(join(samples, 'texts.txt'), join(samples, 'corpus.txt'));
  });
  /** A hub ends after each test. */
  beforeEach(async () => {
    const model = join(samples, 'bert-base-uncased');
    const files = readdirSync(model).map((name) => [name, readFileSync(join(model, name))] as const);
    const token = 'hf_documents';
    const hub = await writableHub({ 'bert-base-uncased': { files: Object.fromEntries(files) } }, token);
    env = {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      HF_TOKEN: token,
      HF_ENDPOINT: hub.url,
      HF_HOME: join(temporary, 'hub'),
    };
  });
  afterAll(() => rmSync(temporary, { recursive: true, force: true }));

  /** The grid that documents speak of; trained for the first of them. */
  async function trainDemo(): Promise<void> {
    if (existsSync(join(samples, 'out', 'demo', 'report.html'))) return;
    const { status, told } = await shell('permafrost paper --preset demo --seeds 1 --out out/demo', samples);
    expect(status, told).toBe(0);
  }

  const blocks = documents().flatMap((document) => {
    const inOrder = codeBlocks(document, 'sh').filter(({ notRun }) => notRun === null);
    return inOrder.length === 0 ? [] : [[document, inOrder] as const];
  });

  it.each(blocks)(
    '%s: all that can be run do what they say',
    async (document, inOrder) => {
      if (inOrder.some(({ code }) => code.includes('out/demo'))) await trainDemo();
      // One directory a document: a block goes on from what the one above it left.
      const directory = join(temporary, document.replace(/\W/g, '-'));
      cpSync(samples, directory, { recursive: true });
      for (const { code } of codeBlocks(document, 'yaml')) {
        const name = /^# (\S+\.yaml)$/m.exec(code)?.[1];
        if (name !== undefined) writeFileSync(join(directory, name), code);
      }
      for (const { line, code } of inOrder) {
        const { status, told } = await shell(code, directory);
        expect(status, `${document}, line ${line}:\n${told}`).toBe(0);
        expect(told, `${document}, line ${line}`).not.toMatch(/\b(undefined|NaN)\b/);
      }
    },
    30 * MINUTES,
  );
});
