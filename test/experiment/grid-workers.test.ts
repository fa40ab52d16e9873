import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunRecord } from '../../src/experiment/run-record.js';
import { smallTask } from '../helpers/corpus.js';

// Processes of the built command line that share the runs of one directory.

const MAIN = resolve('dist/cli/main.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'permafrost-workers-'));
  const sentences = smallTask().train.map(({ words, tags }) =>
    words.map((word, i) => `${word}\t${tags[i]}\n`).join(''),
  );
  await writeFile(join(folder, 'data.conll'), sentences.join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Worker {
  child: ChildProcess;
  stderr: () => string;
  ended: Promise<number | null>;
}

function worker(args: readonly string[]): Worker {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk) => {
    text += chunk;
  });
  return { child, stderr: () => text, ended: once(child, 'close').then(([code]) => code as number | null) };
}

const gridOf = (directory: string, ...more: string[]) => [
  ...['paper', '--data', join(folder, 'data.conll'), '--out', directory, '--threads', '1'],
  ...['--shape', 'layers=2,hidden=16,heads=2', '--vocab-size', '400', '--early-stopping', 'false'],
  ...more,
];

/** What of each finished run must not depend on who did it, by its name. */
async function outcomes(directory: string): Promise<Map<string, object>> {
  const runs = (await readdir(directory)).filter((name) => /-seed-\d+$/.test(name)).sort();
  const records = runs.map(async (run) => {
    const text = await readFile(join(directory, run, 'record.json'), 'utf8');
    const { losses, bestEpoch, bestScore, test, epochs } = JSON.parse(text) as RunRecord;
    return [run, { losses, bestEpoch, bestScore, test, scores: epochs.map((epoch) => epoch.validation) }] as const;
  });
  return new Map(await Promise.all(records));
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}
