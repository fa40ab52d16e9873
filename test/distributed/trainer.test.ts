import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { BatchShards, PackedBatch } from '../../src/contract/packed-batch.js';
import { freePort } from '../../src/distributed/free-port.js';
import { Group } from '../../src/distributed/group.js';
import { packRagged } from '../../src/entries/data.js';
import { type StepResult, TokenClassifier, type Trainer, type TrainerOptions } from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';
import { bytesOf, TINY, weightsOf } from '../helpers/with-model.js';

const DROPOUT = { hiddenDropout: 0.1, attentionDropout: 0.1, classifierDropout: 0.1 };
const EMPTY: PackedBatch = {
  inputIds: new Int32Array(0),
  labels: new Int32Array(0),
  cuSeqlens: Int32Array.of(0),
};

const lengthOf = (sequence: number, step: number) => 4 + ((sequence * 3 + step) % 5);

/** Four sequences of a step, or some of them, with their places in the whole batch. */
function sequences(step: number, first = 0, end = 4): PackedBatch {
  const numbers = Array.from({ length: end - first }, (_, i) => first + i);
  const rowsOf = (element: (s: number, t: number) => number) =>
    numbers.map((s) => Array.from({ length: lengthOf(s, step) }, (_, t) => element(s, t)));
  const packed = packRagged({
    inputIds: rowsOf((s, t) => 1 + ((s * 17 + t * 5 + step * 11) % 49)),
    labels: rowsOf((s, t) => (t === 0 ? -100 : (s + t) % 3)),
  });
  const rowOf = (s: number) =>
    Array.from({ length: s }, (_, i) => lengthOf(i, step)).reduce((a, b) => a + b, 0);
  return { ...packed, rows: Int32Array.from(numbers, rowOf) };
}

interface Rank {
  group: Group | null;
  rank: number;
  model: TokenClassifier;
}

/** Ranks within one process, each with a model and threads of its own. */
async function withRanks<T>(size: number, body: (rank: Rank) => Promise<T>): Promise<T[]> {
  const port = await freePort();
  const place = {
    size,
    localSize: size,
    host: '127.0.0.1',
    port,
    prefix: 'test',
    launcher: 'permafrost' as const,
  };
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const groups = await Promise.all(
    ranks.map((rank) =>
      size > 1 ? Group.join({ ...place, rank, localRank: rank, serves: rank === 0 }) : null,
    ),
  );
  const models = await Promise.all(
    ranks.map((rank) => TokenClassifier.create({ ...TINY, ...DROPOUT }, { threads: 1, seed: 1 + rank })),
  );
  try {
    return await Promise.all(ranks.map((rank) => body({ group: groups[rank]!, rank, model: models[rank]! })));
  } finally {
    await Promise.all(models.map((model) => model.dispose()));
    await Promise.all(groups.map((group) => group?.close()));
  }
}

const trainerOf = ({ group, model }: Rank, options: TrainerOptions = {}) =>
  model.trainer({
    learningRate: 1e-2,
    eps: 1e-4,
    gradientAccumulation: 2,
    ...options,
    ...(group && { group }),
  });

type Share = (step: number, rank: number) => PackedBatch | BatchShards;

/** Eight steps on every rank, from the weights of the first one. */
function train(size: number, shareOf: Share, options: TrainerOptions = {}) {
  return withRanks(size, async (rank) => {
    const trainer: Trainer = await trainerOf(rank, options);
    await trainer.broadcast('weights');
    const results: StepResult[] = [];
    for (let step = 0; step < 8; step++) {
      results.push(await trainer.step(shareOf(step, rank.rank), { flags: 1 << rank.rank }));
    }
    return { results, weights: await weightsOf(rank.model) };
  });
}

describe('A trainer of a group', () => {
  it('takes the steps of one that has the whole batch', async () => {
    const [whole] = await train(1, (step) => sequences(step));
    // The last rank has no sequence in every other step.
    const shares: Share = (step, rank) =>
      [sequences(step, 0, 3 - (step % 2)), sequences(step, 3 - (step % 2)), EMPTY][rank]!;
    for (const size of [2, 3]) {
      for (const { results, weights } of await train(size, shares)) {
        for (const [i, { loss, tokens, labelled, flags, gradNorm }] of results.entries()) {
          const expected = whole!.results[i]!;
          expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-6 * expected.loss);
          expect({ tokens, labelled, flags }).toEqual({
            tokens: expected.tokens,
            labelled: expected.labelled,
            flags: 2 ** size - 1,
          });
          expect(gradNorm === null).toBe(expected.gradNorm === null);
        }
        for (const [name, weight] of weights) {
          const expected = whole!.weights.get(name)!;
          const apart = weight.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0);
          expect(apart, name).toBeLessThan(2e-5);
        }
      }
    }
  });

  it('has the same bits on any number of ranks where a batch comes in shards', async () => {
    const shards = (step: number) => [0, 1, 2, 3].map((s) => sequences(step, s, s + 1));
    const of = (size: number): Share => {
      const count = 4 / size;
      return (step, rank) => ({
        shards: shards(step).slice(rank * count, (rank + 1) * count),
        first: rank * count,
      });
    };
    const bits = async (size: number) =>
      (await train(size, of(size), { gradientShards: 4 })).map(({ results, weights }) => ({
        losses: results.map(({ loss }) => loss),
        norms: results.map(({ gradNorm }) => gradNorm),
        weights: [...weights.values()].map(bytesOf),
      }));
    const [one] = await bits(1);
    expect(await bits(2)).toEqual([one, one]);
    expect(await bits(4)).toEqual([one, one, one, one]);
  });

  it('goes on from the state of the first rank', async () => {
    const states = await withRanks(2, async (rank) => {
      const alone = await rank.model.trainer({ learningRate: 1e-2 });
      if (rank.rank === 0) await alone.step(sequences(0));
      const moments = rank.rank === 0 ? await alone.readMoments('classifier.weight') : null;
      const position = await alone.position();
      const trainer = await trainerOf(rank);
      if (moments !== null) {
        await trainer.writeMoments('classifier.weight', moments);
        await trainer.seek(position);
      }
      await trainer.broadcast('state');
      return {
        position: await trainer.position(),
        steps: await trainer.momentSteps(),
        moments: bytesOf((await trainer.readMoments('classifier.weight'))!.expAvg),
        weights: [...(await weightsOf(rank.model)).values()].map(bytesOf),
      };
    });
    expect(states[0]!.position).toEqual({ updates: 1, passes: 1 });
    expect(states[1]).toEqual(states[0]);
  });

  it('refuses shares that are none, and goes on', async () => {
    const found = await withRanks(2, async (rank) => {
      const trainer = await trainerOf(rank, { gradientAccumulation: 1 });
      await trainer.broadcast('weights');
      const unlabelled = await thrownBy(() => trainer.step(EMPTY));
      const shards = await thrownBy(() => trainer.step({ shards: [EMPTY], first: 0 }));
      const { updated } = await trainer.step(rank.rank === 0 ? sequences(0) : EMPTY);
      return { codes: [unlabelled.code, shards.code], updated };
    });
    const expected = { codes: ['INVALID_BATCH', 'INVALID_BATCH'], updated: true };
    expect(found).toEqual([expected, expected]);
  });

  it('ends with its model where a step waits for a rank that hangs, which is told', async () => {
    const [seconds, heard] = await withRanks(2, async ({ group, rank, model }) => {
      const trainer = await trainerOf({ group, rank, model });
      await trainer.broadcast('weights');
      if (rank === 1) {
        await sleep(2500);
        return thrownBy(() => group!.gather(1));
      }
      const step = thrownBy(() => trainer.step(sequences(0)));
      await sleep(100);
      const begun = performance.now();
      await model.dispose();
      await step;
      return (performance.now() - begun) / 1000;
    });
    expect(seconds).toBeLessThan(10);
    expect(heard).toMatchObject({
      code: 'RANK_FAILED',
      message: expect.stringMatching(/^rank 0 .* gave up: The model was disposed while a call waited/),
    });
  });
});
