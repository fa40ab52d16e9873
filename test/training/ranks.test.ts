import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distance, type Outcome, outcomeOf, type RankedRun, takeRanks } from '../helpers/ranks.js';

// PERMAFROST_KILLS=20 npx vitest run test/training/ranks.test.ts: longer trainings, more ranks and twenty kills.
const isThorough = process.env.PERMAFROST_KILLS !== undefined;
const KILLS = Number(process.env.PERMAFROST_KILLS ?? 1);

const maxSteps = isThorough ? 50 : 20;
const STEPS = { maxSteps, epochs: 4, batchSize: 8, optimizer: { learningRate: 2e-3, warmupRatio: 0.1 } };

/** Trainings that must not depend on the number of ranks. */
const KINDS: Record<string, Omit<RankedRun, 'name' | 'size'>> = {
  dropout: { options: { ...STEPS, evaluateEvery: 8 } },
  accumulation: {
    options: { ...STEPS, batchSize: 4, gradientAccumulation: 3, maxSteps: isThorough ? 30 : 12 },
  },
  // The last batch of an epoch has one sentence, and two ranks of three nothing to do.
  prefix: {
    options: { ...STEPS, batchSize: 7, freezing: 'bottom-up:2', frozenDropout: 'auto' },
    keepPrefix: true,
  },
  // Four epochs either way, and a stage in each.
  schedule: {
    options: {
      ...{ ...STEPS, freezing: 'gradual:1/1', frozenDropout: 'auto' },
      batchSize: isThorough ? 9 : 24,
    },
  },
  pretraining: { task: 'pretrain', options: { maxSteps: isThorough ? 30 : 12, epochs: 4, batchTokens: 256 } },
};
const SHARDED = { options: { ...STEPS, maxSteps: isThorough ? 20 : 8, gradientShards: 4, batchSize: 6 } };

const sizesOf = (kind: string) => (isThorough ? [2, 3, 4] : kind === 'prefix' ? [3] : [2]);
const SHARDED_SIZES = isThorough ? [2, 3, 4] : [3];

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-ranks-'));
  const runs = Object.entries(KINDS).flatMap(([kind, run]) =>
    [1, ...sizesOf(kind)].map((size) => ({ ...run, name: `${kind}-${size}`, size })),
  );
  const sharded = [1, ...SHARDED_SIZES].map((size) => ({ ...SHARDED, name: `sharded-${size}`, size }));
  const told = await takeRanks(folder, [...runs, ...sharded]);
  expect(told.filter(({ type }) => type === 'error')).toEqual([]);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('several ranks', () => {
  it.each(Object.keys(KINDS))('take the steps of one: %s', (kind) => {
    const alone = outcomeOf(folder, `${kind}-1`);
    expect(alone.losses).toHaveLength(KINDS[kind]!.options.maxSteps!);
    for (const size of sizesOf(kind)) {
      const { losses, weights } = distance(alone, outcomeOf(folder, `${kind}-${size}`));
      expect(losses).toBeLessThanOrEqual(1e-6);
      expect(weights).toBeLessThanOrEqual(1e-5);
    }
  });

  it('take the same bits on any number of ranks where gradients have one order', () => {
    const alone = outcomeOf(folder, 'sharded-1');
    for (const size of SHARDED_SIZES) {
      const together = outcomeOf(folder, `sharded-${size}`);
      expect(together.losses).toEqual(alone.losses);
      expect(together.weights).toEqual(alone.weights);
    }
  });

  it('end with the same weights, scores and events on every rank', () => {
    const [first, other] = [outcomeOf(folder, 'prefix-3', 0), outcomeOf(folder, 'prefix-3', 2)];
    const told = ({ weights, losses, evaluations, test, types }: Outcome) => ({
      ...{ weights, losses, test, types },
      evaluations: evaluations.map(({ seconds: _, ...evaluation }) => evaluation),
    });
    expect(told(other)).toEqual(told(first));
    expect(first.ranks).toMatchObject({ number: 3, devices: ['cpu', 'cpu', 'cpu'] });
    expect(outcomeOf(folder, 'dropout-1').ranks).toBeNull();
  });

  it('compute the kept prefix of each training example once, all together', () => {
    const alone = outcomeOf(folder, 'prefix-1').prefixStore!;
    const together = [0, 1, 2].map((rank) => outcomeOf(folder, 'prefix-3', rank).prefixStore!);
    const misses = together.reduce((sum, store) => sum + store.misses, 0);
    expect(misses).toBe(alone.misses);
  });
});

describe('several ranks with a directory', () => {
  const inDirectory = (name: string, run: Omit<RankedRun, 'name'>): RankedRun => ({
    ...run,
    name,
    options: {
      ...KINDS.dropout!.options,
      directory: join(folder, 'kept', name.split('/')[0]!),
      saveSteps: 4,
    },
  });

  it('stop before the first step where the data differ, and say which', async () => {
    const told = await takeRanks(folder, [{ ...KINDS.dropout!, name: 'other', size: 2, otherData: 1 }]);
    expect(told.filter(({ type }) => type === 'step')).toEqual([]);
    const errors = told.filter(({ type }) => type === 'error');
    expect(errors.map(({ rank }) => rank).sort()).toEqual([0, 1]);
    for (const { code, message } of errors) {
      expect(code).toBe('RANKS_DIVERGED');
      expect(message).toMatch(/data\.train differs.*rank 0.*rank 1/);
    }
  });

  it('stop together where one is told to, and go on to the same bits', async () => {
    const stopped = inDirectory('stopped', { size: 2, abortAt: { rank: 1, step: 7 }, options: {} });
    const goneOn = { ...inDirectory('stopped', { size: 2, options: {} }), name: 'gone-on' };
    const told = await takeRanks(folder, [stopped, goneOn]);
    const errors = told.filter(({ type }) => type === 'error');
    expect(errors.map(({ kind, rank }) => [rank, kind]).sort()).toEqual([
      [0, 'AbortError'],
      [1, 'AbortError'],
    ]);
    expect(errors.find(({ rank }) => rank === 0)!.message).toContain(`rank 1 (${hostname()}`);
    const resume = told.find(({ run, type, rank }) => run === 'gone-on' && type === 'resume' && rank === 1)!;
    expect(resume.step).toBeGreaterThanOrEqual(7);
    expect(resume.step).toBeLessThan(12);
    const [whole, again] = ['dropout-2', 'gone-on'].map((run) => outcomeOf(folder, run));
    expect(again!.losses).toEqual(whole!.losses);
    expect(again!.weights).toEqual(whole!.weights);
    expect(again!.resumed).toBe(true);
    // The first rank alone writes: one line a step, in one log.
    const kept = join(folder, 'kept', 'stopped');
    expect(readdirSync(kept).sort()).toEqual(['best', 'last', 'metrics.jsonl', 'predictions']);
    const lines = readFileSync(join(kept, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const steps = lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'step');
    expect(new Set(steps.map(({ step }) => step)).size).toBe(steps.length);
  });

  /** Kills or stops rank 1 behind a step; what the first one said, and after how many seconds. */
  async function failed(run: RankedRun, at: number, signal: NodeJS.Signals) {
    let [sentAt, failedAt] = [0, 0];
    const told = await takeRanks(folder, [run], ({ rank, type, step }, send) => {
      if (rank === 1 && type === 'step' && step === at) {
        send(1, signal);
        sentAt = performance.now();
      }
      if (rank !== 0 || type !== 'error') return;
      failedAt = performance.now();
      send(1, 'SIGKILL');
    });
    const failure = told.find(({ rank, type }) => rank === 0 && type === 'error')!;
    expect(failure.code).toBe('RANK_FAILED');
    expect(failure.message).toContain(`rank 1 (${hostname()}`);
    return (failedAt - sentAt) / 1000;
  }

  const worst = { seconds: 0, losses: 0, weights: 0 };
  it.each(Array.from({ length: KILLS }, (_, kill) => kill))(
    'end with a rank that is killed, and go on with one more or less (%i)',
    async (kill) => {
      const at = 1 + ((kill * 7 + 12) % (maxSteps - 5));
      const [size, later] = kill % 2 === 0 ? [2, 3] : [3, 2];
      const name = `killed-${kill}`;
      const run = inDirectory(name, { size: size!, group: { timeoutSeconds: 20 }, options: {} });
      const seconds = await failed(run, at, 'SIGKILL');
      expect(seconds).toBeLessThan(30);
      const again = await takeRanks(folder, [{ ...run, size: later!, name: `${name}-again` }]);
      expect(again.filter(({ type }) => type === 'error')).toEqual([]);
      // At the last common update, where it was not there yet when the rank died.
      expect(again.find(({ type }) => type === 'resume')!.step).toBeGreaterThanOrEqual(at - 1);
      const apart = distance(outcomeOf(folder, 'dropout-1'), outcomeOf(folder, `${name}-again`));
      expect(apart.losses).toBeLessThanOrEqual(1e-6);
      expect(apart.weights).toBeLessThanOrEqual(1e-5);
      worst.seconds = Math.max(worst.seconds, seconds);
      worst.losses = Math.max(worst.losses, apart.losses);
      worst.weights = Math.max(worst.weights, apart.weights);
    },
    60_000,
  );
  if (isThorough) {
    afterAll(() => {
      const { seconds, losses, weights } = worst;
      console.log(
        `${KILLS} kills: named within ${seconds.toFixed(2)} s, losses ${losses}, weights ${weights} apart`,
      );
    });
  }

  it.runIf(isThorough)('end with a rank that is stopped', async () => {
    const run = inDirectory('stopped-still', { size: 3, group: { timeoutSeconds: 4 }, options: {} });
    expect(await failed(run, 9, 'SIGSTOP')).toBeLessThan(10);
  });
});
