import type { PackedBatch } from '../contract/packed-batch.js';
import { PermafrostError } from '../errors/error.js';

/**
 * Cuts a batch into shards of about as many tokens each: the longest sequence goes to the shard that is the lightest so
 * far (Graham 1969, LPT), and then sequences of the heaviest and the lightest change places as long as that helps. Pure,
 * so that every rank finds the same shards by itself.
 *
 * @param cuSeqlens borders of the batch's sequences, shape [B + 1].
 * @returns numbers of the sequences of each shard, in the order of the batch; a shard may be empty.
 * @throws INVALID_OPTION where `shards` is no whole number from 1.
 */
export function shardSequences(cuSeqlens: Int32Array, shards: number): Int32Array[] {
  if (!Number.isSafeInteger(shards) || shards < 1) {
    throw new PermafrostError('INVALID_OPTION', `shards: expected a whole number from 1, got ${shards}.`, {
      option: 'shards',
      got: shards,
    });
  }
  const lengthOf = (sequence: number) => cuSeqlens[sequence + 1]! - cuSeqlens[sequence]!;
  const all = Array.from({ length: cuSeqlens.length - 1 }, (_, sequence) => sequence);
  const found: Shard[] = Array.from({ length: shards }, () => ({ sequences: [], tokens: 0 }));
  // A stable sort: sequences of one length keep the order of the batch.
  for (const sequence of [...all].sort((a, b) => lengthOf(b) - lengthOf(a))) {
    const lightest = found.reduce((least, shard) => (shard.tokens < least.tokens ? shard : least));
    lightest.sequences.push(sequence);
    lightest.tokens += lengthOf(sequence);
  }
  for (let left = found.length * MAX_EXCHANGES; left > 0 && exchange(found, lengthOf); left--);
  return found.map(({ sequences }) => Int32Array.from(sequences).sort());
}

/**
 * The sequences of one shard as a batch, whose `rows` tell where they stand in the whole one.
 *
 * @param sequences their numbers in the whole batch; there may be none.
 */
export function shardOf(batch: PackedBatch, sequences: Int32Array): PackedBatch {
  const { inputIds, labels, cuSeqlens, examples, weights } = batch;
  const borders = new Int32Array(sequences.length + 1);
  for (const [i, sequence] of sequences.entries())
    borders[i + 1] = borders[i]! + cuSeqlens[sequence + 1]! - cuSeqlens[sequence]!;
  const tokensOf = (values: Int32Array) => {
    const taken = new Int32Array(borders[sequences.length]!);
    for (const [i, sequence] of sequences.entries())
      taken.set(values.subarray(cuSeqlens[sequence]!, cuSeqlens[sequence + 1]!), borders[i]!);
    return taken;
  };
  return {
    inputIds: tokensOf(inputIds),
    ...(labels && { labels: tokensOf(labels) }),
    cuSeqlens: borders,
    rows: sequences.map((sequence) => cuSeqlens[sequence]!),
    ...(examples && { examples: sequences.map((sequence) => examples[sequence]!) }),
    ...(weights && { weights: Float32Array.from(sequences, (sequence) => weights[sequence]!) }),
  };
}

/** The stretch of so many leaves that a rank computes, `first` and those behind it; all ranks together have each once. */
export function leavesOf(leaves: number, { rank, size }: { rank: number; size: number }) {
  const border = (before: number) => Math.floor((before * leaves) / size);
  const first = border(rank);
  return { first, count: border(rank + 1) - first };
}

/** Exchanges that are tried, a shard: one or two make up for what the longest-first rule leaves. */
const MAX_EXCHANGES = 4;

interface Shard {
  sequences: number[];
  tokens: number;
}

/** Moves or swaps what brings the heaviest and the lightest shard nearest to each other; false where nothing does. */
function exchange(shards: readonly Shard[], lengthOf: (sequence: number) => number): boolean {
  const heaviest = shards.reduce((most, shard) => (shard.tokens > most.tokens ? shard : most));
  const lightest = shards.reduce((least, shard) => (shard.tokens < least.tokens ? shard : least));
  const gap = heaviest.tokens - lightest.tokens;
  let best = { left: gap, given: -1, taken: -1 };
  for (const [given, sequence] of heaviest.sequences.entries()) {
    // Place -1 stands for nothing that comes back.
    for (let taken = -1; taken < lightest.sequences.length; taken++) {
      const back = taken < 0 ? 0 : lengthOf(lightest.sequences[taken]!);
      const left = Math.abs(gap - 2 * (lengthOf(sequence) - back));
      if (left < best.left) best = { left, given, taken };
    }
  }
  if (best.given < 0) return false;
  const [given] = heaviest.sequences.splice(best.given, 1);
  const taken = best.taken < 0 ? [] : lightest.sequences.splice(best.taken, 1);
  heaviest.sequences.push(...taken);
  lightest.sequences.push(given!);
  const moved = lengthOf(given!) - (taken.length === 0 ? 0 : lengthOf(taken[0]!));
  heaviest.tokens -= moved;
  lightest.tokens += moved;
  return true;
}
