import { describe, expect, it } from 'vitest';
import { packExamples } from '../../src/batching/pack.js';
import { leavesOf, shardOf, shardSequences } from '../../src/batching/shards.js';
import { Random } from '../../src/io/random.js';
import { thrownBy } from '../helpers/thrown.js';
import { datasetOf } from './small-dataset.js';

const random = new Random(7, 'shards');

function bordersOf(lengths: readonly number[]): Int32Array {
  const borders = [0];
  for (const length of lengths) borders.push(borders.at(-1)! + length);
  return Int32Array.from(borders);
}

/** Lengths in tokens as news have them: 19 on average, a few long ones, many short ones. */
function newsLengths(size: number): number[] {
  return Array.from({ length: size }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return Math.min(128, Math.max(3, Math.round(Math.exp(2.75 + 0.65 * normal))));
  });
}

const tokensOf = (borders: Int32Array, sequences: Int32Array) =>
  sequences.reduce((sum, sequence) => sum + borders[sequence + 1]! - borders[sequence]!, 0);

/** Tokens of the heaviest shard at the best, by trying all. */
function leastHeaviest(
  lengths: readonly number[],
  shards: number,
  tokens = new Array(shards).fill(0),
): number {
  const [first, ...rest] = lengths;
  if (first === undefined) return Math.max(...tokens);
  const after = tokens.map((_, i) => tokens.map((sum, shard) => sum + (shard === i ? first : 0)));
  return Math.min(...after.map((sums) => leastHeaviest(rest, shards, sums)));
}

describe('shardSequences', () => {
  it('gives each sequence to one shard, in the order of the batch', () => {
    for (let round = 0; round < 300; round++) {
      const size = random.int(40);
      const borders = bordersOf(Array.from({ length: size }, () => 1 + random.int(50)));
      const shards = shardSequences(borders, 1 + random.int(9));
      for (const shard of shards) expect(shard).toEqual(shard.slice().sort());
      const all = shards.flatMap((shard) => [...shard]).sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: size }, (_, sequence) => sequence));
    }
  });

  it.each([2, 3, 4])('makes %i shards of news within 1% of each other', (shards) => {
    let worst = 1;
    for (let round = 0; round < 200; round++) {
      const borders = bordersOf(newsLengths(32));
      const tokens = shardSequences(borders, shards).map((shard) => tokensOf(borders, shard));
      // Where the tokens cannot be shared out evenly, the heaviest has one more at least.
      const least = Math.ceil(borders.at(-1)! / shards);
      worst = Math.max(worst, Math.max(...tokens) / least);
    }
    expect(worst).toBeLessThanOrEqual(1.01);
  });

  it('is never above what the longest-first rule allows', () => {
    for (let round = 0; round < 100; round++) {
      const lengths = Array.from({ length: 1 + random.int(7) }, () => 1 + random.int(60));
      const shards = 1 + random.int(3);
      const borders = bordersOf(lengths);
      const heaviest = Math.max(...shardSequences(borders, shards).map((shard) => tokensOf(borders, shard)));
      expect(heaviest).toBeLessThanOrEqual((4 / 3 - 1 / (3 * shards)) * leastHeaviest(lengths, shards));
    }
  });

  it('leaves shards empty where there are fewer sequences', () => {
    const shards = shardSequences(Int32Array.of(0, 4, 9), 4);
    expect(shards.map(({ length }) => length).sort()).toEqual([0, 0, 1, 1]);
    expect(shardSequences(Int32Array.of(0), 2)).toEqual([new Int32Array(0), new Int32Array(0)]);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %d shards', async (shards) => {
    const error = await thrownBy(() => shardSequences(Int32Array.of(0, 1), shards));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'shards' } });
  });
});

describe('shardOf', () => {
  const whole = {
    ...packExamples(datasetOf([3, 2, 4]), [2, 0, 1]),
    examples: Int32Array.of(2, 0, 1),
    weights: Float32Array.of(1, 0.5, 2),
  };

  it('takes tokens, labels, numbers and weights of its sequences, and tells their rows', () => {
    expect(shardOf(whole, Int32Array.of(0, 2))).toEqual({
      inputIds: Int32Array.of(200, 201, 202, 203, 100, 101),
      labels: Int32Array.of(-100, 1, 2, 3, -100, 1),
      cuSeqlens: Int32Array.of(0, 4, 6),
      rows: Int32Array.of(0, 7),
      examples: Int32Array.of(2, 1),
      weights: Float32Array.of(1, 2),
    });
  });

  it('may have no sequences', () => {
    const { inputIds, cuSeqlens, rows } = shardOf(whole, new Int32Array(0));
    expect([inputIds.length, [...cuSeqlens], rows!.length]).toEqual([0, [0], 0]);
  });
});

describe('leavesOf', () => {
  it('gives each leaf to one rank, those of a rank behind each other', () => {
    for (const leaves of [1, 4, 7, 8]) {
      for (let size = 1; size <= 8; size++) {
        const stretches = Array.from({ length: size }, (_, rank) => leavesOf(leaves, { rank, size }));
        const all = stretches.flatMap(({ first, count }) =>
          Array.from({ length: count }, (_, i) => first + i),
        );
        expect(all).toEqual(Array.from({ length: leaves }, (_, leaf) => leaf));
      }
    }
  });
});
