import { appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MetricsLine, readMetrics } from '../../src/entries/training.js';
import {
  type FinetuneOptions,
  finetune,
  MaskedLanguageModel,
  pretrain,
  type TrainingEvent,
} from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { readEventFiles } from '../helpers/event-files.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const settings = {
  train: task.train,
  validation: task.validation,
  test: task.test,
  epochs: 3,
  batchSize: 8,
  evaluateEvery: 10,
  freezing: 'gradual:1/1',
  earlyStopping: false,
  optimizer: { learningRate: 5e-3 },
} satisfies Omit<FinetuneOptions, 'model'>;

let folder: string;
let counter = 0;
const fresh = () => join(folder, `run-${counter++}`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-log-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Settings = Partial<Omit<FinetuneOptions, 'model'>>;

/** Trains in a directory; what meets each event may abort. */
async function trained(
  directory: string,
  options: Settings = {},
  meet: (event: TrainingEvent, abort: () => void) => void = () => {},
) {
  await using model = await task.createModel(1);
  const controller = new AbortController();
  const run = finetune({ model, ...settings, ...options, directory, signal: controller.signal });
  const events: TrainingEvent[] = [];
  try {
    for await (const event of run) {
      events.push(event);
      meet(event, () => controller.abort(new Error('enough')));
    }
    return { events, result: await run.result };
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    return { events, result: null };
  }
}

const metricsFile = (directory: string) => join(directory, 'metrics.jsonl');

async function linesOf(directory: string): Promise<MetricsLine[]> {
  const lines: MetricsLine[] = [];
  for await (const line of readMetrics(metricsFile(directory))) lines.push(line);
  return lines;
}

/** Lines without what the clock decides. */
const timeless = (lines: readonly MetricsLine[]) =>
  lines.map((line) => {
    const { time: _, ...rest } = line as Record<string, unknown>;
    for (const name of ['seconds', 'trainSeconds', 'tokensPerSecond']) delete rest[name];
    return rest;
  });

/** Scalars that the clock has no part in. */
function timelessScalars(directory: string): Record<string, [number, number][]> {
  const scalars = [...readEventFiles(join(directory, 'tensorboard'))].filter(([tag]) => !/second/.test(tag));
  return Object.fromEntries(
    scalars.map(([tag, points]) => [tag, points.map(({ step, value }) => [step, value])]),
  );
}

describe('what a run tells while it trains', () => {
  it('is a line each plan, step, epoch and evaluation, with the numbers of the events and the result', async () => {
    const directory = fresh();
    const { events, result } = await trained(directory);
    const lines = await linesOf(directory);
    expect(lines.length).toBe(readFileSync(metricsFile(directory), 'utf8').split('\n').length - 1);
    const of = <Type extends MetricsLine['type']>(type: Type) =>
      lines.filter((line): line is Extract<MetricsLine, { type: Type }> => line.type === type);
    expect(of('step').map(({ loss }) => loss)).toEqual(result!.losses);
    expect(of('step').at(-1)).toMatchObject({ step: 45, totalSteps: 45, epoch: 3, tokens: result!.tokens });
    const steps = events.filter((event) => event.type === 'step');
    for (const [i, { gradNorm, learningRate, tokensPerSecond }] of of('step').entries())
      expect(steps[i]).toMatchObject({ gradNorm, learningRate, tokensPerSecond });
    expect(of('step').every(({ tokensPerSecond }) => tokensPerSecond > 0)).toBe(true);
    expect(of('epoch').map(({ epoch, step, trainLoss }) => [epoch, step, trainLoss])).toEqual(
      result!.epochs.map(({ epoch, trainLoss }) => [epoch, 15 * epoch, trainLoss]),
    );
    const evaluations = of('evaluation').filter(({ split }) => split === 'validation');
    expect(evaluations.map(({ step, score, loss, metrics }) => ({ step, score, loss, metrics }))).toEqual(
      result!.evaluations.map(({ step, score, loss, metrics }) => ({ step, score, loss, metrics })),
    );
    expect(evaluations.filter(({ best }) => best).at(-1)!.step).toBe(result!.bestStep);
    expect(of('stage').map(({ plan, step }) => ({ plan, step }))).toEqual(
      result!.stages.map(({ plan, step }) => ({ plan, step })),
    );
    const [test, done] = lines.slice(-2);
    expect(test).toMatchObject({ split: 'test', step: result!.bestStep, metrics: result!.test });
    expect(done).toMatchObject({
      type: 'done',
      bestScore: result!.bestScore,
      seconds: result!.seconds.total,
    });
  });

  it('is the same in event files, whose records are whole', async () => {
    const directory = fresh();
    const { result } = await trained(directory);
    const scalars = readEventFiles(join(directory, 'tensorboard'));
    const lines = await linesOf(directory);
    const steps = lines.filter((line) => line.type === 'step');
    expect(scalars.get('train/loss')).toEqual(
      steps.map(({ step, loss, time }) => ({ step, value: Math.fround(loss), wallTime: time })),
    );
    const names = ['train/learning_rate', 'train/grad_norm', 'train/tokens_per_second'];
    expect(names.map((name) => scalars.get(name)!.length)).toEqual([45, 45, 45]);
    const values = (tag: string) => scalars.get(tag)!.map(({ value }) => value);
    const rounded = (score: (metrics: NonNullable<typeof result>['evaluations'][0]) => number) =>
      result!.evaluations.map((evaluation) => Math.fround(score(evaluation)));
    expect(values('validation/macro_f1')).toEqual(rounded(({ metrics }) => metrics.macro.f1));
    expect(values('validation/entities_micro_f1')).toEqual(
      rounded(({ metrics }) => metrics.entities.micro.f1),
    );
    expect(values('validation/loss')).toEqual(rounded(({ loss }) => loss!));
    expect(values('validation_labels/B-PER_recall')).toEqual(
      rounded(({ metrics }) => metrics.labels['B-PER']!.recall),
    );
    expect(scalars.get('test/macro_f1')).toMatchObject([
      { step: result!.bestStep, value: Math.fround(result!.test!.macro.f1) },
    ]);
  });

  it('stands for as many steps a line as asked, with the mean of their losses', async () => {
    const directory = fresh();
    const { result } = await trained(directory, { logSteps: 7, tensorboard: false });
    const steps = (await linesOf(directory)).filter((line) => line.type === 'step');
    expect(steps.map(({ step }) => step)).toEqual([7, 14, 21, 28, 35, 42]);
    for (const { step, loss } of steps) {
      const mean = result!.losses.slice(step - 7, step).reduce((sum, one) => sum + one, 0) / 7;
      expect(loss).toBe(mean);
    }
    expect(existsSync(join(directory, 'tensorboard'))).toBe(false);
  });

  it('of a pretraining has its loss and perplexity', async () => {
    await using start = await task.createModel(1);
    const { config, tokenizer } = start;
    await using model = await MaskedLanguageModel.create(config, { seed: 1, tokenizer: tokenizer! });
    const [train, validation] = [task.train, task.validation].map((part) => part.map(({ words }) => words));
    const directory = fresh();
    const run = pretrain({ model, train: train!, validation: validation!, epochs: 2, directory });
    const { evaluations } = await run.result;
    const scalars = readEventFiles(join(directory, 'tensorboard'));
    const values = (tag: string) => scalars.get(tag)!.map(({ value }) => value);
    expect(values('validation/loss')).toEqual(evaluations.map(({ loss }) => Math.fround(loss!)));
    expect(values('validation/perplexity')).toEqual(
      evaluations.map(({ metrics }) => Math.fround(metrics.perplexity)),
    );
  });
});

describe('what a run tells that was interrupted and goes on', () => {
  let straight: string;
  const options: Settings = { saveSteps: 4, logSteps: 3 };
  beforeAll(async () => {
    straight = fresh();
    await trained(straight, options);
  });

  async function expectSame(directory: string): Promise<void> {
    expect(timeless(await linesOf(directory))).toEqual(timeless(await linesOf(straight)));
    expect(timelessScalars(directory)).toEqual(timelessScalars(straight));
  }

  const aborts: [string, (event: TrainingEvent) => boolean][] = [
    ['at a step between two lines', (event) => event.type === 'step' && event.step === 17],
    ['at the end of an epoch', (event) => event.type === 'epoch' && event.epoch === 2],
    ['behind an evaluation', (event) => event.type === 'evaluation' && event.step === 20],
    ['at a change of the plan', (event) => event.type === 'freeze' && event.stage === 2],
    ['before the test split', (event) => event.type === 'checkpoint' && event.step === 45],
  ];
  it.each(aborts)('equals that of a run without a stop: aborted %s', async (_, isStop) => {
    const directory = fresh();
    const first = await trained(directory, options, (event, abort) => isStop(event) && abort());
    expect(first.result).toBeNull();
    const { events } = await trained(directory, options);
    expect(events.some(({ type }) => type === 'resume')).toBe(true);
    await expectSame(directory);
  });

  it('equals it wherever the process was killed', async () => {
    // What a process that is killed leaves is what lies there at that moment.
    const [directory, left] = [fresh(), [] as string[]];
    let met = 0;
    await trained(directory, options, (event) => {
      if (event.type === 'done' || met++ % 11 !== 4) return;
      const copy = fresh();
      cpSync(directory, copy, { recursive: true });
      rmSync(join(copy, 'run.lock'));
      if (existsSync(metricsFile(copy))) appendFileSync(metricsFile(copy), '{"type":"step","ti');
      left.push(copy);
    });
    expect(left.length).toBeGreaterThan(4);
    for (const copy of left) {
      await trained(copy, options);
      await expectSame(copy);
    }
  });

  it('is not said again by a run that has nothing left to do, and anew by one that begins anew', async () => {
    const directory = fresh();
    await trained(directory, options);
    const [lines, files] = [
      readFileSync(metricsFile(directory)),
      readdirSync(join(directory, 'tensorboard')),
    ];
    await trained(directory, options);
    expect(readFileSync(metricsFile(directory))).toEqual(lines);
    expect(readdirSync(join(directory, 'tensorboard'))).toEqual(files);
    await trained(directory, { ...options, restart: true });
    expect(readFileSync(metricsFile(directory))).not.toEqual(lines);
    expect(readdirSync(join(directory, 'tensorboard'))).toHaveLength(1);
    await expectSame(directory);
  });
});

it('a run whose lines cannot be written fails', async () => {
  const directory = fresh();
  cpSync(__filename, join(directory, 'tensorboard'), { recursive: true });
  const error = await thrownBy(() => trained(directory));
  expect(error).toMatchObject({ code: 'WRITE_FAILED' });
});
