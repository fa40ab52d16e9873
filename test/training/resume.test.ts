import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  evaluate,
  type FinetuneOptions,
  type FinetuneResult,
  type FreezeSchedule,
  finetune,
  TokenClassifier,
  type TrainingEvent,
} from '../../src/index.js';
import { BUILT_INDEX, builtEntry, runChild } from '../helpers/child.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';
import { changedNames, weightsOf } from '../helpers/with-model.js';

const task = smallTask();
const { train, validation, test } = task;
const settings = {
  train,
  validation,
  test,
  epochs: 3,
  batchSize: 8,
  earlyStopping: false,
  optimizer: { learningRate: 5e-3, warmupRatio: 0.2 },
} satisfies Omit<FinetuneOptions, 'model'>;

let folder: string;
let counter = 0;
const fresh = () => join(folder, `run-${counter++}`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-resume-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Freezes everything below the head, then less and less, and once goes back to the best weights. */
const thawing: FreezeSchedule<{ seen: number }> = {
  notation: 'test:thawing',
  start: (numLayers) => ({ state: { seen: 0 }, plan: planOf(numLayers, numLayers) }),
  reachable: (numLayers) => [0, 1, 2].map((frozen) => planOf(numLayers, frozen)),
  observe({ seen }, { score }) {
    if (score === undefined) throw new Error('every observation of this loop has a score');
    const decision =
      seen < 2
        ? { plan: planOf(2, 1 - seen), fromBest: seen === 1, reason: `${seen + 1} evaluations` }
        : null;
    return { state: { seen: seen + 1 }, decision };
  },
};

function planOf(numLayers: number, frozen: number) {
  return { embeddings: true, layers: Array.from({ length: numLayers }, (_, layer) => layer < frozen) };
}

/** What of a result does not depend on clocks and processes. */
function outcome(result: FinetuneResult) {
  const { losses, tokens, bestEpoch, bestStep, bestScore, stoppedEarly, stages, test } = result;
  const evaluations = result.evaluations.map(({ seconds: _, ...evaluation }) => evaluation);
  const epochs = result.epochs.map(({ epoch, trainLoss, tokens }) => ({ epoch, trainLoss, tokens }));
  return { losses, tokens, bestEpoch, bestStep, bestScore, stoppedEarly, stages, test, evaluations, epochs };
}

async function withTask<T>(body: (model: TokenClassifier) => Promise<T>): Promise<T> {
  await using model = await task.createModel(1);
  return await body(model);
}

type Settings = Partial<Omit<FinetuneOptions, 'model'>>;

/** Trains to the end, or until an event is met, at which it is aborted. */
async function trained(options: Settings, abortAt: (event: TrainingEvent) => boolean = () => false) {
  return withTask(async (model) => {
    const controller = new AbortController();
    const run = finetune({ model, ...settings, ...options, signal: controller.signal });
    const events: TrainingEvent[] = [];
    try {
      for await (const event of run) {
        events.push(event);
        if (abortAt(event)) controller.abort(new Error('enough'));
      }
      return { events, outcome: outcome(await run.result), weights: await weightsOf(model) };
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      return { events, outcome: null, weights: await weightsOf(model) };
    }
  });
}

const isStep = (step: number) => (event: TrainingEvent) => event.type === 'step' && event.step >= step;

describe('a training that is aborted and called again', () => {
  const cases: [string, Settings, ((event: TrainingEvent) => boolean)[]][] = [
    ['in the middle of epochs', {}, [isStep(3), isStep(8), isStep(20), isStep(35)]],
    ['while it evaluates', {}, [(event) => event.type === 'epoch' && event.epoch === 2]],
    ['whose state is written by the clock', { saveMinutes: 1e-6 }, [isStep(7), isStep(22)]],
    ['behind an evaluation', {}, [(event) => event.type === 'evaluation' && event.epoch === 1]],
    ['behind its last step', {}, [(event) => event.type === 'epoch' && event.epoch === 3]],
    ['while it measures the test split', {}, [(event) => event.type === 'checkpoint' && event.step === 45]],
    ['between accumulated batches', { batchSize: 3, gradientAccumulation: 4 }, [isStep(2), isStep(17)]],
    [
      'under a schedule that changes the plan',
      { freezing: thawing, evaluateEvery: 7 },
      [isStep(5), isStep(8), isStep(16), isStep(30)],
    ],
    [
      'under such a schedule with accumulated batches and the prefix kept',
      { freezing: thawing, frozenDropout: 'auto', batchSize: 4, gradientAccumulation: 2 },
      [isStep(10), isStep(22), isStep(40)],
    ],
    [
      'under gradual unfreezing with early stopping',
      { freezing: 'gradual:1/1', evaluateEvery: 4, epochs: 4, earlyStopping: { patience: 3 } },
      [isStep(7), isStep(15), isStep(18)],
    ],
    [
      'under plateau, whose stages begin the rate anew',
      {
        freezing: 'plateau:2,1,0/1',
        evaluateEvery: 3,
        optimizer: { learningRate: 2e-2, warmupRatio: 0.2, restartSchedule: true },
      },
      [isStep(4), (event) => event.type === 'freeze' && event.stage === 2, isStep(17), isStep(29)],
    ],
    [
      'under auto-freeze, within and between its intervals, with the prefix kept',
      { freezing: 'auto-freeze:60/7', frozenDropout: 'auto', saveSteps: 5 },
      [isStep(2), isStep(7), isStep(15), isStep(24), isStep(38)],
    ],
    [
      'under auto-freeze with accumulated batches',
      { freezing: 'auto-freeze:50/11', batchSize: 4, gradientAccumulation: 3, evaluateEvery: 3 },
      [isStep(5), isStep(12), isStep(23)],
    ],
    [
      'before it stops early',
      { epochs: 12, earlyStopping: { metric: 'accuracy', patience: 2 }, evaluateEvery: 4 },
      [isStep(3), isStep(9)],
    ],
    ['with a bound on its steps', { maxSteps: 14, batchSize: 20 }, [isStep(3), isStep(8)]],
  ];

  it.each(cases)('%s ends in the same bits', async (_, options, aborts) => {
    const straight = await trained(options);
    const directory = fresh();
    for (const abortAt of aborts) {
      const { events, outcome } = await trained({ ...options, directory }, abortAt);
      expect(outcome, 'it ended before it was aborted').toBeNull();
      expect(events.at(-1)).toMatchObject({ type: 'checkpoint', kind: 'last' });
    }
    const resumed = await trained({ ...options, directory });
    expect(resumed.events.find(({ type }) => type === 'resume')).toMatchObject({
      path: directory,
      finished: false,
    });
    expect(resumed.outcome).toEqual(straight.outcome);
    expect(changedNames(straight.weights, resumed.weights)).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual([
      'best',
      'last',
      'metrics.jsonl',
      'predictions',
      'tensorboard',
    ]);
  });

  it('survives SIGKILL under a schedule that changes the plan', async () => {
    const source = (directory: string, killAt: number) => `
      import { finetune, labelSet, TokenClassifier } from ${JSON.stringify(BUILT_INDEX)};
      import { generateCorpus, trainWordPiece } from ${JSON.stringify(builtEntry('data'))};
      const corpus = generateCorpus('demo', { seed: 5, sizes: { train: 60, validation: 20, test: 1 } });
      const tokenizer = trainWordPiece(corpus.train.flatMap(({ words }) => words), { vocabSize: 200, lowercase: true, minFrequency: 1 });
      const shape = { hiddenSize: 16, numLayers: 2, numHeads: 2, intermediateSize: 32, maxPositions: 64 };
      const model = await TokenClassifier.create(
        { ...shape, vocabSize: tokenizer.vocabSize, labels: labelSet(corpus.train) }, { tokenizer, threads: 1 });
      const plan = (frozen) => ({ embeddings: true, layers: [frozen > 0, frozen > 1] });
      const freezing = {
        notation: 'test:thaw',
        start: () => ({ state: 2, plan: plan(2) }),
        reachable: () => [plan(2), plan(1), plan(0)],
        observe: (state) => ({
          state: Math.max(0, state - 1),
          decision: state > 0 ? { plan: plan(state - 1), fromBest: false, reason: 'in turn' } : null,
        }),
      };
      const run = finetune({ model, ...corpus, freezing, epochs: 4, batchSize: 2, gradientAccumulation: 3, saveSteps: 1,
        optimizer: { learningRate: 1e-2 }, directory: ${JSON.stringify(directory)} });
      for await (const event of run) {
        if (event.type === 'step' && event.step === ${killAt}) process.kill(process.pid, 'SIGKILL');
      }
      const { losses, stages, bestScore } = await run.result;
      console.log(JSON.stringify({ losses, stages, bestScore }));
      await model.dispose();`;
    const [whole, killed] = [fresh(), fresh()];
    const reference = await runChild(source(whole, -1));
    expect(reference.code, reference.stderr).toBe(0);
    for (const killAt of [4, 21, 35]) {
      expect((await runChild(source(killed, killAt))).signal).toBe('SIGKILL');
    }
    const last = await runChild(source(killed, -1));
    expect(last.code, last.stderr).toBe(0);
    expect(JSON.parse(last.stdout)).toEqual(JSON.parse(reference.stdout));
    expect(JSON.parse(last.stdout).stages).toHaveLength(3);
    const weights = (directory: string) => readFile(join(directory, 'best', 'model.safetensors'));
    expect(await weights(killed)).toEqual(await weights(whole));
    expect(readdirSync(killed).sort()).toEqual([
      'best',
      'last',
      'metrics.jsonl',
      'predictions',
      'tensorboard',
    ]);
  });

  const killed: [string, Settings][] = [
    ['gradual', { freezing: 'gradual:1/1', batchSize: 3, gradientAccumulation: 3, evaluateEvery: 4 }],
    [
      // The weights that the second stage begins from are replaced at step 9, and no state is due from 5 to 10.
      'plateau',
      { freezing: 'plateau:2,1,0/1', batchSize: 4, evaluateEvery: 3, saveSteps: 5, epochs: 2 },
    ],
    ['auto-freeze', { freezing: 'auto-freeze:40/9', evaluateEvery: 7, saveSteps: 4, frozenDropout: 'auto' }],
  ];

  it.each(killed)(
    'ends in the same bits from what a kill leaves at any moment under %s',
    async (_, options) => {
      const [directory, left] = [fresh(), fresh()];
      const copies: string[] = [];
      let events = 0;
      // The directory as it is when an event comes is what a process killed then would leave.
      const copyAt = (event: TrainingEvent) => {
        const isBest = event.type === 'checkpoint' && event.kind === 'best';
        const isMoment = isBest || event.type === 'freeze' || events++ % 13 === 5;
        if (!isMoment || !existsSync(join(directory, 'last'))) return false;
        copies.push(join(left, `${copies.length}-${event.type}`));
        cpSync(directory, copies.at(-1)!, { recursive: true, filter: (path) => !path.endsWith('.lock') });
        return false;
      };
      const straight = await trained({ ...options, directory }, copyAt);
      expect(straight.outcome!.stages.length).toBeGreaterThan(1);
      for (const copy of copies) {
        const resumed = await trained({ ...options, directory: copy });
        expect(resumed.outcome, copy).toEqual(straight.outcome);
        expect(changedNames(straight.weights, resumed.weights), copy).toEqual([]);
      }
    },
  );
});

describe('a training that goes on by other arithmetic', () => {
  it('says by which, once, and nothing where it is the same', async () => {
    const directory = fresh();
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      vi.stubEnv('PERMAFROST_MATMUL', 'own');
      await trained({ directory }, isStep(3));
      await trained({ directory }, isStep(5));
      expect(warn).not.toHaveBeenCalled();
      vi.stubEnv('PERMAFROST_MATMUL', 'libtorch');
      await trained({ directory }, isStep(8));
      expect(warn.mock.calls).toEqual([
        [
          expect.stringMatching(/products by libtorch instead of own/),
          { code: 'PERMAFROST_OTHER_ARITHMETIC' },
        ],
      ]);
    } finally {
      vi.unstubAllEnvs();
      warn.mockRestore();
    }
  });
});

describe('a training with a directory', () => {
  it('has its best weights on the disk at each improvement, and its state at each epoch', async () => {
    await withTask(async (model) => {
      const directory = fresh();
      const run = finetune({ model, ...settings, directory });
      const written: string[] = [];
      for await (const event of run) {
        if (event.type !== 'checkpoint') continue;
        expect(existsSync(event.path!)).toBe(true);
        written.push(`${event.kind} ${event.step}`);
      }
      const { evaluations, bestScore } = await run.result;
      const improved = evaluations.filter(({ score }, i) =>
        evaluations.slice(0, i).every((earlier) => earlier.score < score),
      );
      expect(written.filter((text) => text.startsWith('best'))).toEqual(
        improved.map(({ step }) => `best ${step}`),
      );
      for (const { step } of evaluations) expect(written).toContain(`last ${step}`);
      const saved = await readFile(join(directory, 'best', 'model.safetensors'));
      expect(saved.length).toBeGreaterThan(1000);
      expect((await evaluate({ model, sentences: validation })).metrics.macro.f1).toBe(bestScore);
    });
  });

  it('writes its state by the clock, too, between two steps', async () => {
    const directory = fresh();
    const { events } = await trained({ directory, saveMinutes: 1e-6 });
    const steps = events.flatMap((event) =>
      event.type === 'checkpoint' && event.kind === 'last' ? [event.step] : [],
    );
    expect(steps.filter((step) => step % 15 !== 0).length).toBeGreaterThan(5);
  });

  it('that is finished is not trained again, and says so', async () => {
    const directory = fresh();
    const first = await trained({ directory });
    const again = await trained({ directory });
    expect(again.events.map(({ type }) => type)).toEqual(['freeze', 'resume', 'done']);
    expect(again.events[1]).toMatchObject({ finished: true });
    expect(again.outcome).toEqual(first.outcome);
    expect(changedNames(first.weights, again.weights)).toEqual([]);
  });

  it('with other settings, data or weights is refused by name and left as it was', async () => {
    const directory = fresh();
    await trained({ directory }, isStep(4));
    const before = statSync(join(directory, 'last', 'state.safetensors'));
    const refused = async (options: Settings, seed = 1) => {
      await using model = await task.createModel(seed);
      return await thrownBy(() => finetune({ model, ...settings, directory, ...options }).result);
    };
    const cases: [Settings, RegExp][] = [
      [{ epochs: 4 }, /`epochs` 3 there, 4 now/],
      [{ optimizer: { learningRate: 1e-3 } }, /`optimizer\.learningRate` 0\.005 there, 0\.001 now/],
      [{ freezing: 'bottom-up:1' }, /`freezing` full there, bottom-up:1 now/],
      [{ train: train.slice(1) }, /data\.train/],
      [{ seed: 7, maxLength: 12 }, /`maxLength` .*`seed` 42 there, 7 now/],
    ];
    for (const [options, message] of cases) {
      const error = await refused(options);
      expect(error.code).toBe('RUN_MISMATCH');
      expect(error.message).toMatch(message);
      expect(error.message).toContain('restart');
    }
    expect((await refused({}, 2)).message).toMatch(/weights/);
    const after = statSync(join(directory, 'last', 'state.safetensors'));
    expect([after.mtimeMs, after.ino]).toEqual([before.mtimeMs, before.ino]);
    const anew = await trained({ directory, epochs: 1, restart: true });
    expect(anew.events.some(({ type }) => type === 'resume')).toBe(false);
    expect(anew.outcome!.epochs).toHaveLength(1);
  });

  it('is closed to a second one while it lasts, which learns who is there', async () => {
    const directory = fresh();
    await withTask(async (model) => {
      const controller = new AbortController();
      const run = finetune({ model, ...settings, directory, signal: controller.signal });
      for await (const event of run) if (event.type === 'step') break;
      const error = await withTask((other) =>
        thrownBy(() => finetune({ model: other, ...settings, directory }).result),
      );
      expect(error).toMatchObject({ code: 'LOCKED', details: { pid: process.pid } });
      expect(error.message).toContain(`process ${process.pid}`);
      controller.abort(new Error('enough'));
      await expect(run.result).rejects.toThrow('enough');
      expect(existsSync(join(directory, 'run.lock'))).toBe(false);
    });
  });

  it('is refused before the first step where nothing can be written', async () => {
    const file = fresh();
    writeFileSync(file, 'a file');
    const inFile = await thrownBy(() =>
      withTask((model) => finetune({ model, ...settings, directory: join(file, 'x') }).result),
    );
    expect(inFile).toMatchObject({ code: 'WRITE_FAILED', details: { code: 'ENOTDIR' } });
    const blocked = fresh();
    mkdirSync(blocked);
    writeFileSync(join(blocked, 'last'), 'a file in the way');
    const error = await thrownBy(() =>
      withTask((model) => finetune({ model, ...settings, directory: blocked }).result),
    );
    expect(error.code).toBe('WRITE_FAILED');
    expect(readdirSync(blocked)).toEqual(['last']);
    const virtual = await thrownBy(() =>
      withTask((model) => finetune({ model, ...settings, directory: '/proc/permafrost' }).result),
    );
    expect(virtual.code).toBe('WRITE_FAILED');
  });

  it('is refused before the first step where the disk has no room', async ({ skip }) => {
    const small = fresh();
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    if (mounted.status !== 0) return skip('this process may not mount a small disk');
    try {
      const error = await thrownBy(() =>
        withTask((model) => finetune({ model, ...settings, directory: join(small, 'run') }).result),
      );
      expect(error).toMatchObject({ code: 'WRITE_FAILED', details: { code: 'ENOSPC' } });
      expect(error.message).toMatch(/need \d+\.\d+ GB, and the disk has 0\.00 GB left.*another directory/);
      expect(readdirSync(small)).toEqual([]);
    } finally {
      spawnSync('umount', [small]);
    }
  });

  it('that fills up while it trains fails with what was written before whole, and goes on once there is room', async ({
    skip,
  }) => {
    const disk = fresh();
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]);
    if (mounted.status !== 0) return skip('this process may not mount a small disk');
    try {
      const straight = await trained({});
      const directory = join(disk, 'run');
      const filler = join(disk, 'filler');
      const fill = (event: TrainingEvent) => {
        if (!isStep(18)(event) || existsSync(filler)) return false;
        spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' });
        return false;
      };
      const error = await thrownBy(() => trained({ directory }, fill));
      expect(error).toMatchObject({ code: 'WRITE_FAILED' });
      expect(error.message).toContain('The disk is full');
      rmSync(filler);
      const resumed = await trained({ directory });
      expect(resumed.events.find(({ type }) => type === 'resume')).toMatchObject({ finished: false });
      expect(resumed.outcome).toEqual(straight.outcome);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  it('may begin anew from the weights that it holds', async () => {
    const directory = fresh();
    await trained({ directory, epochs: 1 });
    await using best = await TokenClassifier.load(join(directory, 'best'), { threads: 1 });
    const run = finetune({ model: best, ...settings, epochs: 1, directory, restart: true });
    expect((await run.result).resumed).toBe(false);
    expect(existsSync(join(directory, 'best', 'model.safetensors'))).toBe(true);
  });

  it('sweeps what a killed process left half written, and nothing else', async () => {
    const directory = fresh();
    await trained({ directory }, isStep(4));
    mkdirSync(join(directory, 'best'), { recursive: true });
    const left = [
      'run.lock.0123456789ab.tmp',
      'best/model.safetensors.0123456789ab.tmp',
      'last/state.safetensors.fedcba987654.tmp',
    ];
    for (const name of [...left, 'notes.tmp', 'best/mine.txt']) writeFileSync(join(directory, name), '');
    await trained({ directory });
    for (const name of left) expect(existsSync(join(directory, name)), name).toBe(false);
    for (const name of ['notes.tmp', 'best/mine.txt'])
      expect(existsSync(join(directory, name)), name).toBe(true);
  });

  it('names a damaged state and the way on', async () => {
    const directory = fresh();
    await trained({ directory }, isStep(4));
    const state = join(directory, 'last', 'state.safetensors');
    writeFileSync(state, (await readFile(state)).subarray(0, 2000));
    const error = await thrownBy(() =>
      withTask((model) => finetune({ model, ...settings, directory }).result),
    );
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toContain(state);
  });
});

describe('evaluation by steps', () => {
  it('measures every so many steps and at the end of each epoch, and keeps the best of all', async () => {
    const { events, outcome } = await trained({ evaluateEvery: 4 });
    const evaluations = events.filter((event) => event.type === 'evaluation' && event.split === 'validation');
    expect(evaluations.map((event) => 'step' in event && event.step)).toEqual([
      4, 8, 12, 15, 16, 20, 24, 28, 30, 32, 36, 40, 44, 45,
    ]);
    expect(outcome!.bestScore).toBe(Math.max(...outcome!.evaluations.map(({ score }) => score)));
    const best = outcome!.evaluations.find(({ step }) => step === outcome!.bestStep)!;
    expect(best).toMatchObject({ epoch: outcome!.bestEpoch, score: outcome!.bestScore });
  });

  it('lays the schedule of the rate out for a bound on the steps', async () => {
    const { events } = await trained({ maxSteps: 7 });
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.map(({ step, totalSteps }) => [step, totalSteps])).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((step) => [step, 7]),
    );
    expect(steps.at(-1)!.learningRate).toBeCloseTo(5e-3 / 5, 12);
    expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(1);
  });
});
