import { describe, expect, it } from 'vitest';
import { layOut, parseModes } from '../../src/bench/modes.js';
import { endlessBatches, randomDataset, readLengths } from '../../src/bench/workload.js';
import { temporaryFiles } from '../helpers/temporary-file.js';
import { thrownBy } from '../helpers/thrown.js';

const file = temporaryFiles();
const settings = { vocabSize: 50, numLabels: 5, seed: 7 };

function batchOf(lengths: number[]) {
  const dataset = randomDataset({ lengths, ...settings });
  return endlessBatches(dataset, lengths.length, 1).next().value;
}

describe('the layouts of a batch', () => {
  it.each([
    ['packed', 3 + 9 + 20],
    ['longest', 3 * 20],
    ['pad128', 3 * 128],
  ] as const)('%s computes the tokens that it says', (mode, tokens) => {
    const batch = layOut(mode, batchOf([3, 9, 20]));
    expect(batch.inputIds.length).toBe(tokens);
    expect(batch.cuSeqlens.at(-1)).toBe(tokens);
    expect(batch.cuSeqlens.length).toBe(4);
  });

  it('hold the same labelled tokens', () => {
    const packed = batchOf([3, 9, 20]);
    for (const mode of ['longest', 'pad128'] as const) {
      const labels = layOut(mode, packed).labels!.filter((label) => label !== -100);
      expect(labels).toEqual(packed.labels!.filter((label) => label !== -100));
    }
  });

  it('cut a sentence that is longer than 128 tokens', () => {
    expect(batchOf([300, 4]).inputIds.length).toBe(132);
    expect(layOut('pad128', batchOf([300, 4])).inputIds.length).toBe(256);
  });
});

describe('parseModes', () => {
  it('reads one, several and all', () => {
    expect(parseModes('longest')).toEqual(['longest']);
    expect(parseModes('pad128, packed')).toEqual(['pad128', 'packed']);
    expect(parseModes('all')).toEqual(['packed', 'longest', 'pad128']);
  });

  it.each([
    ['pakced', "did you mean 'packed'"],
    ['packed,packed', 'twice'],
    ['', 'packed, longest, pad128'],
  ])('refuses "%s"', async (text, word) => {
    const error = await thrownBy(() => parseModes(text));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(word);
  });
});

describe('randomDataset', () => {
  it('gives ids without padding and labels but on the special tokens', () => {
    const { inputIds, labels, offsets } = randomDataset({ lengths: [2, 6], ...settings });
    expect([...offsets]).toEqual([0, 2, 8]);
    expect(Math.min(...inputIds)).toBeGreaterThan(0);
    expect(Math.max(...inputIds)).toBeLessThan(50);
    expect([labels[2], labels[7]]).toEqual([-100, -100]);
    expect(labels.subarray(3, 7).every((label) => label >= 0 && label < 5)).toBe(true);
    expect(labels[0]).not.toBe(-100);
  });
});

describe('endlessBatches', () => {
  it('gives full batches of all sentences, epoch after epoch in another order', () => {
    const dataset = randomDataset({ lengths: [3, 4, 5, 6, 7], ...settings });
    const batches = endlessBatches(dataset, 2, 3);
    const sizes = Array.from({ length: 6 }, () => batches.next().value.cuSeqlens.length - 1);
    expect(sizes).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('refuses lengths that fill no batch', async () => {
    const error = await thrownBy(() => batchesOfTwo());
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { got: 1, expected: 2 } });
    function batchesOfTwo() {
      endlessBatches(randomDataset({ lengths: [3], ...settings }), 2, 3).next();
    }
  });
});

describe('readLengths', () => {
  it('reads an array', async () => {
    expect(await readLengths(file('good.json', '[3, 14, 15]'))).toEqual([3, 14, 15]);
  });

  it.each([
    ['text.json', 'three', 'not JSON'],
    ['object.json', '{"lengths": [3]}', 'no array'],
    ['empty.json', '[]', 'no array'],
    ['zero.json', '[3, 0]', 'entry 1 is 0'],
    ['fraction.json', '[2.5]', 'entry 0 is 2.5'],
    ['string.json', '["3"]', 'entry 0 is "3"'],
  ])('refuses %s', async (name, content, word) => {
    const path = file(name, content);
    const error = await thrownBy(() => readLengths(path));
    expect(error.code).toBe('DATA_FORMAT');
    expect(error.message).toContain(path);
    expect(error.message).toContain(word);
  });

  it('names a file that is missing', async () => {
    const error = await thrownBy(() => readLengths('/nowhere/lengths.json'));
    expect(error.code).toBe('FILE_NOT_FOUND');
  });
});
