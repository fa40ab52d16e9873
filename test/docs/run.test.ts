import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { writableHub } from '../helpers/local-hub.js';
import { allBlocks, type CodeBlock, fileNameOf, ROOT } from './blocks.js';
import { sampleDataset, writeSampleFiles } from './sample-files.js';

const temporary = mkdtempSync(join(tmpdir(), 'permafrost-docs-'));
const samples = join(temporary, 'samples');
let modules: string;
beforeAll(async () => {
  mkdirSync(samples);
  await writeSampleFiles(samples);
  // Within the repository, so that modules resolve as they do there.
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  modules = mkdtempSync(join(ROOT, 'build', 'docs-'));
});
afterAll(() => {
  rmSync(modules, { recursive: true, force: true });
  rmSync(temporary, { recursive: true, force: true });
});

const printed: string[] = [];
beforeEach(async () => {
  // Each block has what the documents speak of for itself, and neither network nor the user's cache.
  const directory = mkdtempSync(join(temporary, 'run-'));
  cpSync(samples, directory, { recursive: true });
  process.chdir(directory);
  const checkpoint = join(samples, 'bert-base-uncased');
  const files = readdirSync(checkpoint).map((name) => [name, readFileSync(join(checkpoint, name))] as const);
  const token = 'hf_documents';
  const hub = await writableHub(
    {
      'bert-base-uncased': { files: Object.fromEntries(files) },
      'unimelb-nlp/wikiann': { type: 'dataset', files: sampleDataset('kk') },
    },
    token,
  );
  vi.stubEnv('HF_TOKEN', token);
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', join(directory, 'hub'));
  printed.length = 0;
  const print = (...values: unknown[]) => void printed.push(values.map(String).join(' '));
  vi.spyOn(console, 'log').mockImplementation(print);
  vi.spyOn(console, 'error').mockImplementation(print);
});
afterEach(() => {
  process.chdir(ROOT);
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function run(block: CodeBlock): Promise<void> {
  const file = join(modules, fileNameOf(block));
  writeFileSync(file, block.code);
  await import(file);
}

describe('the code in the documents', () => {
  const blocks = allBlocks('ts').map((block) => [`${block.document}, line ${block.line}`, block] as const);

  it.each(blocks)('of %s runs', async (_, block) => {
    await run(block);
    // What only defines something is for others to call.
    const prints = /console\.(log|error)/.test(block.code) && !/^export /m.test(block.code);
    expect(printed.length > 0, printed.join('\n')).toBe(prints);
    expect(printed.join('\n')).not.toMatch(/\b(undefined|NaN)\b/);
  });
});
