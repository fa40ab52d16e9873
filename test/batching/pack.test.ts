import { describe, expect, it } from 'vitest';
import { checkPackedBatch, packExamples, packRagged } from '../../src/batching/pack.js';
import type { PackedBatch, RaggedBatch } from '../../src/contract/packed-batch.js';
import { thrownBy } from '../helpers/thrown.js';
import { datasetOf } from './small-dataset.js';

describe('packExamples', () => {
  const dataset = datasetOf([3, 2, 4]);

  it('lays examples end to end in the order asked for', () => {
    expect(packExamples(dataset, [2, 0])).toEqual({
      inputIds: Int32Array.of(200, 201, 202, 203, 0, 1, 2),
      labels: Int32Array.of(-100, 1, 2, 3, -100, 1, 2),
      cuSeqlens: Int32Array.of(0, 4, 7),
    });
  });

  it('takes an example twice', () => {
    expect(packExamples(dataset, Int32Array.of(1, 1)).inputIds).toEqual(Int32Array.of(100, 101, 100, 101));
  });

  it('shares no memory with the dataset', () => {
    const source = datasetOf([2]);
    const batch = packExamples(source, [0]);
    batch.inputIds.fill(7);
    batch.labels!.fill(7);
    expect(source).toEqual(datasetOf([2]));
  });

  it.each([[[]], [[3]], [[-1]], [[0.5]], [[Number.NaN]]])('refuses indices %j', async (indices) => {
    expect(await thrownBy(() => packExamples(dataset, indices))).toMatchObject({ code: 'INVALID_BATCH' });
  });

  it('refuses an example without tokens', async () => {
    const error = await thrownBy(() => packExamples(datasetOf([2, 0]), [1]));
    expect(error).toMatchObject({ code: 'INVALID_BATCH', details: { example: 1 } });
  });
});

describe('packRagged', () => {
  it('flattens rows and remembers their borders', () => {
    expect(packRagged({ inputIds: [[1, 2], [3]], labels: [[-100, 0], [1]] })).toEqual({
      inputIds: Int32Array.of(1, 2, 3),
      labels: Int32Array.of(-100, 0, 1),
      cuSeqlens: Int32Array.of(0, 2, 3),
    });
  });

  it('has no labels where none are given', () => {
    expect(packRagged({ inputIds: [[1]] })).not.toHaveProperty('labels');
  });

  it.each([
    ['no sequences', { inputIds: [] }, /at least one sequence/],
    ['an empty sequence', { inputIds: [[1], []] }, /sequence 1 is empty/],
    ['labels of fewer sequences', { inputIds: [[1], [2]], labels: [[0]] }, /2 sequences, got labels for 1/],
    ['fewer labels than tokens', { inputIds: [[1, 2]], labels: [[0]] }, /sequence 0.*2 tokens.*got 1 labels/],
    ['an id with a fraction', { inputIds: [[1, 2.5]] }, /inputIds.*got 2\.5 at token 1 of sequence 0/],
    [
      'an id beyond 32 bits',
      { inputIds: [[1], [2 ** 31]] },
      /inputIds.*got 2147483648 at token 0 of sequence 1/,
    ],
    ['a label that is no number', { inputIds: [[1]], labels: [[null]] }, /labels.*got null/],
  ])('refuses %s', async (_, batch, message) => {
    const error = await thrownBy(() => packRagged(batch as RaggedBatch));
    expect(error.code).toBe('INVALID_BATCH');
    expect(error.message).toMatch(message);
  });
});

describe('checkPackedBatch', () => {
  const batch = (cuSeqlens: number[], change: object = {}) =>
    ({
      inputIds: new Int32Array(5),
      labels: new Int32Array(5),
      cuSeqlens: Int32Array.from(cuSeqlens),
      ...change,
    }) as PackedBatch;

  it('accepts borders that fit, with and without labels', () => {
    expect(() => checkPackedBatch(batch([0, 2, 5]))).not.toThrow();
    expect(() =>
      checkPackedBatch({ inputIds: new Int32Array(5), cuSeqlens: Int32Array.of(0, 5) }),
    ).not.toThrow();
  });

  it.each([
    ['borders that do not start at 0', batch([1, 5]), /start at 0, got 1/],
    ['borders that do not end at T', batch([0, 4]), /end at 5.*got 4/],
    ['borders that end beyond T', batch([0, 6]), /end at 5.*got 6/],
    ['descending borders', batch([0, 4, 2, 5]), /ascending.*got 4 before 2 at sequence 1/],
    ['an empty sequence', batch([0, 2, 2, 5]), /sequence 1 is empty/],
    ['no sequence', batch([0]), /at least one sequence/],
    ['no borders', batch([]), /at least one sequence/],
    ['fewer labels than tokens', batch([0, 5], { labels: new Int32Array(4) }), /labels.*5 tokens.*got 4/],
    [
      'plain arrays',
      batch([0, 5], { inputIds: [1, 2, 3, 4, 5] }),
      /inputIds: expected an Int32Array, got Array/,
    ],
    ['64-bit ids', batch([0, 5], { inputIds: new BigInt64Array(5) }), /got BigInt64Array/],
    [
      'missing borders',
      batch([], { cuSeqlens: undefined }),
      /cuSeqlens: expected an Int32Array, got undefined/,
    ],
  ])('refuses %s', async (_, given, message) => {
    const error = await thrownBy(() => checkPackedBatch(given));
    expect(error.code).toBe('INVALID_BATCH');
    expect(error.message).toMatch(message);
  });
});
