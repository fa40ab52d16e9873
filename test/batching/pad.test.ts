import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { padBatch } from '../../src/batching/pad.js';
import { describeShared, sharedPath } from '../helpers/shared.js';
import { thrownBy } from '../helpers/thrown.js';

const ragged = { inputIds: [[5, 6], [7]], labels: [[-100, 1], [2]] };

describe('padBatch', () => {
  it('fills up to a length', () => {
    expect(padBatch(ragged, 3, 0)).toEqual({
      inputIds: Int32Array.of(5, 6, 0, 7, 0, 0),
      labels: Int32Array.of(-100, 1, -100, 2, -100, -100),
      cuSeqlens: Int32Array.of(0, 3, 6),
    });
  });

  it('fills up to the longest, with another pad id, without labels', () => {
    const packed = { inputIds: Int32Array.of(5, 6, 7), cuSeqlens: Int32Array.of(0, 2, 3) };
    expect(padBatch(packed, 'longest', 1)).toEqual({
      inputIds: Int32Array.of(5, 6, 7, 1),
      cuSeqlens: Int32Array.of(0, 2, 4),
    });
  });

  it('refuses a sequence that is too long, and borders that do not fit', async () => {
    const error = await thrownBy(() => padBatch(ragged, 1, 0));
    expect(error).toMatchObject({ code: 'INVALID_BATCH', details: { sequence: 0, got: 2 } });
    const packed = { inputIds: Int32Array.of(5, 6, 7), cuSeqlens: Int32Array.of(0, 2) };
    expect(await thrownBy(() => padBatch(packed, 4, 0))).toMatchObject({ code: 'INVALID_BATCH' });
  });

  it.each([
    [0, 0],
    [2.5, 0],
    ['longer', 0],
    [4, -1],
  ])('refuses length %j with pad id %d', async (length, padId) => {
    const error = await thrownBy(() => padBatch(ragged, length as number, padId));
    expect(error.code).toBe('INVALID_OPTION');
  });
});

describeShared('padded batches of the parity fixtures', () => {
  interface Padded {
    input_ids: number[][];
    attention_mask: number[][];
    labels: number[][];
  }
  const batches = JSON.parse(
    readFileSync(sharedPath('fixtures', 'parity', 'batches.json'), 'utf8'),
  ) as Padded[];

  it('come out again from their sequences', () => {
    for (const { input_ids, attention_mask, labels } of batches) {
      const lengths = attention_mask.map((mask) => mask.reduce((sum, bit) => sum + bit, 0));
      const cut = (rows: number[][]) => rows.map((row, index) => row.slice(0, lengths[index]));
      const padded = padBatch({ inputIds: cut(input_ids), labels: cut(labels) }, 'longest', 0);
      expect([...padded.inputIds]).toEqual(input_ids.flat());
      expect([...padded.labels!]).toEqual(labels.flat());
    }
  });
});
