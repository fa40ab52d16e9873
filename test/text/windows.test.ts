import { describe, expect, it } from 'vitest';
import { Random } from '../../src/io/random.js';
import { cutFixedWindows, cutWindows } from '../../src/text/windows.js';
import { thrownBy } from '../helpers/thrown.js';

/** Word numbers of words with so many tokens each. */
const words = (...lengths: number[]) =>
  lengths.flatMap((length, word) => new Array<number>(length).fill(word));
const ranges = (windows: { start: number; end: number }[]) => windows.map(({ start, end }) => [start, end]);
const taken = (windows: { from: number; to: number }[]) => windows.map(({ from, to }) => [from, to]);

describe('cutWindows', () => {
  it('leaves a text that fits whole', () => {
    expect(cutWindows(words(1, 2, 1), { maxTokens: 4, overlap: 2 })).toEqual([
      { start: 0, end: 4, from: 0, to: 4 },
    ]);
    expect(cutWindows([], { maxTokens: 4, overlap: 2 })).toEqual([]);
  });

  it('overlaps, takes each token from where it lies deeper, and fills the last window from behind', () => {
    const windows = cutWindows(words(...new Array(20).fill(1)), { maxTokens: 8, overlap: 4 });
    expect(ranges(windows)).toEqual([
      [0, 8],
      [4, 12],
      [8, 16],
      [12, 20],
    ]);
    expect(taken(windows)).toEqual([
      [0, 6],
      [6, 10],
      [10, 14],
      [14, 20],
    ]);
    expect(ranges(cutWindows(words(...new Array(9).fill(1)), { maxTokens: 8, overlap: 0 }))).toEqual([
      [0, 8],
      [1, 9],
    ]);
  });

  it('cuts between words', () => {
    const windows = cutWindows(words(3, 3, 3, 3), { maxTokens: 7, overlap: 3 });
    expect(ranges(windows)).toEqual([
      [0, 6],
      [3, 9],
      [6, 12],
    ]);
    expect(taken(windows)).toEqual([
      [0, 6],
      [6, 9],
      [9, 12],
    ]);
  });

  it('cuts a word only where it has more tokens than a window', () => {
    const windows = cutWindows(words(1, 10, 1), { maxTokens: 4, overlap: 1 });
    expect(taken(windows).flat()[0]).toBe(0);
    expect(ranges(windows)[0]).toEqual([0, 1]);
    expect(windows.at(-1)!.to).toBe(12);
  });

  it('loses no token and parts no word that fits, whatever the lengths', () => {
    const random = new Random(7, 'windows');
    const below = (limit: number) => Math.floor(random.next() * limit);
    for (let round = 0; round < 1000; round++) {
      const maxTokens = 1 + below(12);
      const overlap = below(maxTokens);
      const ids = words(...Array.from({ length: below(30) }, () => 1 + below(6)));
      const windows = cutWindows(ids, { maxTokens, overlap });
      const place = `${JSON.stringify(ids)} ${maxTokens} ${overlap}`;
      let expectedFrom = 0;
      for (const { start, end, from, to } of windows) {
        const isSound = start <= from && from <= to && to <= end && end - start <= maxTokens;
        expect([from, isSound], place).toEqual([expectedFrom, true]);
        expectedFrom = to;
      }
      expect(expectedFrom, place).toBe(ids.length);
      for (const { to } of windows) {
        const word = ids[to - 1];
        if (to === 0 || to === ids.length || ids[to] !== word) continue;
        expect(ids.filter((id) => id === word).length, place).toBeGreaterThan(maxTokens);
      }
    }
  });

  it('refuses windows that lead nowhere', async () => {
    const cases: [number, number, string][] = [
      [0, 0, 'maxTokens'],
      [1.5, 0, 'maxTokens'],
      [4, 4, 'overlap'],
      [4, -1, 'overlap'],
    ];
    for (const [maxTokens, overlap, option] of cases) {
      for (const cut of [
        () => cutWindows([0], { maxTokens, overlap }),
        () => cutFixedWindows(1, { maxTokens, overlap }),
      ]) {
        const error = await thrownBy(cut);
        expect(error.code).toBe('INVALID_OPTION');
        expect(error.message).toContain(option);
      }
    }
  });
});
