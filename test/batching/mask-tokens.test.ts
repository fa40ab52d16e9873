import { describe, expect, it } from 'vitest';
import { maskTokens } from '../../src/batching/mask-tokens.js';
import { Random } from '../../src/io/random.js';
import { datasetOf } from './small-dataset.js';

const MASK = 77_777;
const VOCABULARY = 50_000;

function masked(lengths: number[], options: { rate?: number; wholeWord?: boolean; seed?: number } = {}) {
  const dataset = datasetOf(lengths);
  const { rate = 0.15, wholeWord = false, seed = 1 } = options;
  const settings = { rate, wholeWord, maskId: MASK, vocabSize: VOCABULARY };
  return { dataset, result: maskTokens(dataset, settings, new Random(seed, 'mask')) };
}

describe('hiding tokens', () => {
  it('labels 15% of each example with the ids that stood there, none of the special tokens', () => {
    const { dataset, result } = masked(new Array(300).fill(21));
    for (let example = 0; example < dataset.size; example++) {
      const labelled = [...result.labels.subarray(21 * example, 21 * example + 21)].filter(
        (id) => id !== -100,
      );
      expect(labelled).toHaveLength(3);
    }
    for (const [token, label] of result.labels.entries()) {
      if (label === -100) expect(result.inputIds[token]).toBe(dataset.inputIds[token]);
      else expect(label).toBe(dataset.inputIds[token]);
      if (dataset.wordIds[token] === -1) expect(label).toBe(-100);
    }
  });

  it('puts the mask in 80% of the places, another token in 10% and leaves 10%', () => {
    const { dataset, result } = masked(new Array(4000).fill(41));
    const counts = { mask: 0, kept: 0, other: 0 };
    for (const [token, label] of result.labels.entries()) {
      if (label === -100) continue;
      const id = result.inputIds[token]!;
      counts[id === MASK ? 'mask' : id === dataset.inputIds[token] ? 'kept' : 'other']++;
      if (id !== MASK) expect(id).toBeLessThan(Math.max(VOCABULARY, dataset.inputIds[token]! + 1));
    }
    const total = counts.mask + counts.kept + counts.other;
    expect(total).toBe(4000 * 6);
    // Three standard deviations of 24,000 draws are 0.008 and 0.006.
    expect(Math.abs(counts.mask / total - 0.8)).toBeLessThan(0.008);
    expect(Math.abs(counts.kept / total - 0.1)).toBeLessThan(0.006);
    expect(Math.abs(counts.other / total - 0.1)).toBeLessThan(0.006);
  });

  it('predicts at least one token of the shortest example', () => {
    const { result } = masked([2, 3]);
    expect([...result.labels].filter((id) => id !== -100)).toHaveLength(2);
  });

  it('is the same for the same stream, another for another, and leaves the dataset as it was', () => {
    const [first, again, other] = [masked([40]), masked([40]), masked([40], { seed: 2 })];
    expect(first.result).toEqual(again.result);
    expect(first.result.labels).not.toEqual(other.result.labels);
    expect(first.dataset).toEqual(datasetOf([40]));
  });

  it('hides words with all their sub-tokens where asked to', () => {
    const dataset = {
      ...datasetOf([31]),
      wordIds: Int32Array.from({ length: 31 }, (_, t) => (t === 0 ? -1 : (t - 1) >> 1)),
    };
    const settings = { rate: 0.2, wholeWord: true, maskId: MASK, vocabSize: VOCABULARY };
    const { labels } = maskTokens(dataset, settings, new Random(3, 'mask'));
    const chosen = [...labels.keys()].filter((token) => labels[token] !== -100);
    expect(chosen).toHaveLength(6);
    const words = new Set(chosen.map((token) => dataset.wordIds[token]));
    expect(words.size).toBe(3);
  });
});
