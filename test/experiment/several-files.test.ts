import { describe, expect, it } from 'vitest';
import { openWorkspace } from '../../src/experiment/workspace.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const write = temporaryFiles();
const first = write('first.conll', 'Bo B-PER\nwon O\n\nEk B-PER\n');
const second = write('second.jsonl', '{"text":"In Oslo","label":[[3,6,"LOC"]]}\n');

describe('several files of a split', () => {
  it('are read one after another, each in its own form, and named in the record', async () => {
    const { splits, settings, labels, notes } = await openWorkspace({
      train: [first, second],
      validation: [second],
      test: first,
      shape: 'mini',
    });
    expect(splits.train.map(({ words }) => words)).toEqual([['Bo', 'won'], ['Ek'], ['In', 'Oslo']]);
    expect(splits.train.map(({ file }) => file)).toEqual([first, first, second]);
    expect(splits.validation.map(({ words }) => words)).toEqual([['In', 'Oslo']]);
    expect(settings.dataset).toMatchObject({
      source: 'files',
      name: 'first+second',
      train: 'first.conll + second.jsonl',
      validation: 'second.jsonl',
    });
    expect(labels).toEqual(['B-LOC', 'B-PER', 'O']);
    expect(notes.counts).toEqual({ widened: 2 });
  });

  it('are divided together', async () => {
    const more = Array.from({ length: 20 }, (_, i) => `w${i} B-PER\n`).join('\n');
    const data = [first, write('more.conll', more)];
    const { splits } = await openWorkspace({ data, split: '60-20-20', shape: 'mini' });
    const { train, validation, test } = splits;
    expect(train.length + validation.length + test!.length).toBe(22);
  });

  it('are each named once', async () => {
    const error = await thrownBy(() =>
      openWorkspace({ train: [first, first], validation: second, shape: 'mini' }),
    );
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'train', got: first } });
  });
});
