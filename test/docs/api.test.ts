import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as root from '../../src/index.js';

interface Exported {
  name: string;
  file: string;
}

const SCRIPT = '../../scripts/generate-api.mjs';
const { exportsOf, renderApi, sentenceOf } = (await import(SCRIPT)) as {
  exportsOf(entry: string): Exported[];
  renderApi(): string;
  sentenceOf(one: Exported): string;
};

const ENTRIES = ['', 'data', 'metrics', 'tagging', 'training', 'experiment', 'publish'];

describe('the public names', () => {
  it('are few at the root', () => {
    const names = exportsOf('').map(({ name }) => name);
    expect(names.length).toBeLessThanOrEqual(64);
    expect(Object.keys(root).every((name) => names.includes(name))).toBe(true);
  });

  it.each(ENTRIES)('of permafrost/%s are all documented', (entry) => {
    const undocumented = exportsOf(entry).filter((one) => sentenceOf(one) === '');
    expect(undocumented).toEqual([]);
  });

  it('stand in docs/api.md as "npm run docs:api" writes it', () => {
    expect(readFileSync('docs/api.md', 'utf8')).toBe(renderApi());
  });
});
