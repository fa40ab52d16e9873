import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const out = mkdtempSync(join(tmpdir(), 'permafrost-fuzz-test-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

interface Outcome {
  inputs: number;
  results: {
    target: string;
    inputs: number;
    failures: { kind: string; error: string }[];
    codes: Record<string, number>;
  }[];
}

function fuzz(...args: string[]): { status: number | null; outcome: Outcome } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/fuzz.mjs', '--json', '--out', out, ...args],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  return { status, outcome: JSON.parse(stdout) };
}

it('ends every input of every target as a value or a typed error', () => {
  const { status, outcome } = fuzz('--inputs', '80', '--seconds', '90', '--seed', '3');
  expect(outcome.results.flatMap(({ failures }) => failures)).toEqual([]);
  expect(status).toBe(0);
  const folder = readdirSync('test/fuzz/targets').filter((name) => name !== 'lines.mjs');
  expect(outcome.results.map(({ target }) => `${target}.mjs`).sort()).toEqual(folder.sort());
  for (const { target, inputs, codes } of outcome.results) {
    expect(inputs, target).toBeGreaterThan(0);
    // Inputs that all fail at the first byte would try nothing.
    expect(codes.value, target).toBeGreaterThan(0);
  }
});
