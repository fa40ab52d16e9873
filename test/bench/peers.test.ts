import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MAX_LENGTH } from '../../src/bench/modes.js';
import { endlessBatches, randomDataset } from '../../src/bench/workload.js';
import { temporaryFiles } from '../helpers/temporary-file.js';

const file = temporaryFiles();
const script = fileURLToPath(new URL('../../bench/peers/batches.py', import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!hasPython)('the peers in Python', () => {
  it.each([42, 7])('train on the sentences that bench trains on, seed %d', (seed) => {
    const lengths = Array.from({ length: 50 }, (_, index) => 3 + ((index * 37) % 140));
    const path = file('lengths.json', JSON.stringify(lengths));
    const args = ['-B', script, path, '--batch-size', '8', '--count', '9', '--seed', String(seed)];
    const python = spawnSync('python3', args, { encoding: 'utf8' });
    expect(python.stderr).toBe('');
    const batches = endlessBatches(randomDataset({ lengths, vocabSize: 10, numLabels: 2, seed: 1 }), 8, seed);
    const ours = Array.from({ length: 9 }, () => {
      const { cuSeqlens } = batches.next().value;
      return Array.from(cuSeqlens.subarray(1), (end, i) => end - cuSeqlens[i]!);
    });
    const theirs = python.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(theirs).toEqual(ours);
    expect(Math.max(...ours.flat())).toBe(MAX_LENGTH);
  });
});
