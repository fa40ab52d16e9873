import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { finetuneSchema } from '../../src/training/tagging-task.js';
import { fixturePath } from '../helpers/shared.js';
import { ROOT } from './blocks.js';

/** Fields of `TrainingArguments`, as `dataclasses.fields` of the version named lists them. */
const { transformers, names } = JSON.parse(readFileSync(fixturePath('training-arguments.json'), 'utf8')) as {
  transformers: string;
  names: string[];
};

describe('docs/from-trainer.md', () => {
  const text = readFileSync(join(ROOT, 'docs', 'from-trainer.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (.*?) \| (.*?) \| (.*?) ?\|$/gm)].filter(([, first]) =>
    first!.startsWith('`'),
  );
  const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

  it('has every option of the Trainer once', () => {
    expect(text).toContain(`Transformers ${transformers.split('.').slice(0, 2).join('.')}`);
    expect(rows.flatMap(([, first]) => codes(first!)).sort()).toEqual([...names].sort());
  });

  it('says why of each that is not there', () => {
    const bare = rows.filter(([, , ours, why]) => ours === 'not there' && why === '');
    expect(bare.flatMap(([, first]) => codes(first!))).toEqual([]);
    expect(rows.filter(([, , ours]) => ours === '')).toEqual([]);
  });

  it('names options that there are', () => {
    const { optimizer } = finetuneSchema.shape;
    const known = new Set([
      ...Object.keys(finetuneSchema.shape),
      ...Object.keys((optimizer.unwrap() as { shape: object }).shape),
    ]);
    const simple = rows
      .map(([, , ours]) => /^`(\w+)`(?:,|$| of `optimizer`)/.exec(ours!)?.[1])
      .filter((name) => name !== undefined && !/^(metric|tf32|HF_TOKEN)$/.test(name));
    expect(simple.length).toBeGreaterThan(15);
    expect(simple.filter((name) => !known.has(name!))).toEqual([]);
  });
});
