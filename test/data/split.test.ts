import { describe, expect, it } from 'vitest';
import { parseSplit, splitSentences } from '../../src/data/split.js';
import { thrownBy } from '../helpers/thrown.js';

const items = Array.from({ length: 1003 }, (_, index) => index);

describe('splitSentences', () => {
  it('puts every sentence into one part, of the size asked for, in file order', () => {
    const { train, validation, test } = splitSentences(items, [80, 10, 10], 42);
    expect([train.length, validation.length, test.length]).toEqual([803, 100, 100]);
    expect([...train, ...validation, ...test].sort((a, b) => a - b)).toEqual(items);
    for (const part of [train, validation, test]) expect(part).toEqual([...part].sort((a, b) => a - b));
  });

  it('is decided by the seed', () => {
    const first = splitSentences(items, [80, 10, 10], 1);
    expect(splitSentences(items, [80, 10, 10], 1)).toEqual(first);
    expect(splitSentences(items, [80, 10, 10], 2).test).not.toEqual(first.test);
  });

  it('draws from the whole file', () => {
    const { test } = splitSentences(items, [80, 10, 10], 3);
    const mean = test.reduce((sum, item) => sum + item, 0) / test.length;
    expect(mean).toBeGreaterThan(400);
    expect(mean).toBeLessThan(600);
  });

  it('holds nothing twice when both small parts round up', () => {
    const { train, validation, test } = splitSentences([1], [0.0001, 50, 49.9999], 0);
    expect([...train, ...validation, ...test]).toEqual([1]);
  });

  it.each([
    [[80, 10, 5], 1],
    [[80, 20], 1],
    [[120, -10, -10], 1],
    [[100, 0, 0], 1],
    [[80, 10, Number.NaN], 1],
    [[80, 10, 10], -1],
    [[80, 10, 10], 0.5],
  ])('refuses shares %j with seed %d', async (shares, seed) => {
    const error = await thrownBy(() => splitSentences(items, shares as [number, number, number], seed));
    expect(error.code).toBe('INVALID_OPTION');
  });
});

describe('parseSplit', () => {
  it('reads per cents', () => {
    expect(parseSplit('80-10-10')).toEqual([80, 10, 10]);
    expect(parseSplit('85-7.5-7.5')).toEqual([85, 7.5, 7.5]);
  });

  it.each(['80-10', '80-10-20', '100-0-0', '80/10/10', '', '-80-10-10', ' 80-10-10'])(
    'refuses %j',
    async (text) => {
      const error = await thrownBy(() => parseSplit(text));
      expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'split' } });
    },
  );
});
