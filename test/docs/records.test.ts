import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeRecord } from '../report/records.js';
import { ROOT } from './blocks.js';

const SCRIPT = '../../scripts/generate-records.mjs';

/** Dotted paths of all fields of a value, `[]` for items of lists. */
function pathsOf(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${prefix}[]`));
  if (value === null || typeof value !== 'object') return [prefix];
  return Object.entries(value).flatMap(([key, held]) =>
    pathsOf(held, prefix === '' ? key : `${prefix}.${key}`),
  );
}

describe('docs/records.md', () => {
  const text = readFileSync(join(ROOT, 'docs', 'records.md'), 'utf8');

  it('is what "npm run docs:records" writes', async () => {
    const { renderRecords } = (await import(SCRIPT)) as { renderRecords(): Promise<string> };
    expect(text).toBe(await renderRecords());
  });

  it('has every field of a record', () => {
    const documented = new Map(
      [...text.matchAll(/^\| `([^`]+?)\??` \| (.*?) \|/gm)].map(([, path, type]) => [path!, type!]),
    );
    const fields = new Set(pathsOf(makeRecord({ strategy: 'bottom-up:6', seed: 42 })));
    expect(fields.size).toBeGreaterThan(80);
    const lost = [...fields].filter((path) => {
      if (documented.has(path.replace(/\[\]$/, ''))) return false;
      // What has a table of its own, here or elsewhere.
      const above = [...documented.keys()].filter(
        (known) => path.startsWith(`${known}.`) || path.startsWith(`${known}[]`),
      );
      return !above.some((known) => /metrics|settings|by its/.test(documented.get(known)!));
    });
    expect(lost).toEqual([]);
  });
});
