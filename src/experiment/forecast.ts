import type { EncoderConfig } from '../contract/encoder-config.js';
import type { FreezePlan } from '../contract/freeze-plan.js';
import { evaluate } from '../evaluation/evaluate.js';
import { frozenPrefixLength } from '../freezing/frozen-prefix.js';
import { constant } from '../freezing/schedule.js';
import { parseFreezing } from '../freezing/schedule-notation.js';
import { stepArithmetic } from '../freezing/step-arithmetic.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { NativeMemory } from '../native/addon.js';
import type { StepEvent } from '../training/events.js';
import { finetune } from '../training/finetune.js';
import { pretrain } from '../training/pretrain.js';
import { parsePretrainingOptions, pretrainingCourse } from './pretraining-options.js';
import { findPretrainingModel, readPretrainingText } from './pretraining-source.js';
import { finetuneOptions } from './run.js';
import type { Scenario } from './scenario.js';
import type { Workspace } from './workspace.js';

/** Steps that are made to see how long one takes; the first one, which warms up, does not count. */
const STEPS = 4;
/** Seconds after which those that were made are enough. */
const ENOUGH_SECONDS = 20;
/** Sentences that are evaluated to see how long that takes. */
const SENTENCES = 256;

/** What a training under way told of itself before it was stopped. */
export interface MeasuredCourse {
  device: string;
  trainableParameters: number;
  totalParameters: number;
  totalSteps: number;
  /** Of a step, first one aside. */
  secondsPerStep: number;
  tokensPerStep: number;
  memory: NativeMemory;
}

/** Events of a training as far as they tell of its course. */
interface CourseEvent {
  type: string;
}

/**
 * Makes a few steps of a training, and stops it. Its model holds other weights then.
 *
 * @param start begins the training, without a directory
 * @throws what it throws, and `signal.reason` on abort
 */
export async function measureCourse(
  model: EncoderModel,
  start: (signal: AbortSignal) => AsyncIterable<CourseEvent>,
  signal?: AbortSignal,
): Promise<MeasuredCourse> {
  const enough = new AbortController();
  const abort = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
  const course: Partial<MeasuredCourse> = {};
  const steps: { at: number; tokens: number }[] = [];
  const begun = performance.now();
  try {
    for await (const event of start(abort)) {
      if (event.type === 'freeze') {
        const { device, trainableParameters, totalParameters } = event as unknown as MeasuredCourse;
        Object.assign(course, { device, trainableParameters, totalParameters });
      }
      if (event.type !== 'step') continue;
      const { totalSteps, tokens } = event as unknown as StepEvent;
      course.totalSteps = totalSteps;
      steps.push({ at: performance.now(), tokens });
      if (steps.length >= STEPS || performance.now() - begun > 1000 * ENOUGH_SECONDS) enough.abort();
    }
  } catch (error) {
    if (error !== enough.signal.reason) throw error;
  }
  const first = steps[0]!;
  const timed = steps.length > 1 ? steps.slice(1) : steps;
  const from = steps.length > 1 ? first.at : begun;
  return {
    ...(course as MeasuredCourse),
    secondsPerStep: (timed.at(-1)!.at - from) / 1000 / timed.length,
    tokensPerStep: steps.reduce((sum, { tokens }) => sum + tokens, 0) / steps.length,
    memory: await model.memory(),
  };
}

/** What a pretraining would take. */
export interface PretrainingForecast {
  device: string;
  trainableParameters: number;
  totalParameters: number;
  rows: { train: number; validation: number };
  steps: number;
  /** Of the training steps. */
  tokens: number;
  /** Of the training steps, if it is not stopped early. */
  seconds: number;
  measured: { secondsPerStep: number; tokensPerStep: number };
  memoryBytes: NativeMemory;
  diskBytes: { best: number; last: number };
}

/** The same of a pretraining. @throws what reading the text, making the model and a training step throw */
export async function forecastPretraining(
  given: unknown,
  signal?: AbortSignal,
): Promise<PretrainingForecast> {
  const options = parsePretrainingOptions(given);
  const text = await readPretrainingText(options);
  const source = await findPretrainingModel(options, text);
  await using model = await source.create(signal);
  const course = await measureCourse(
    model,
    (abort) => pretrain({ ...text, ...pretrainingCourse(options), model, energy: false, signal: abort }),
    signal,
  );
  const { device, trainableParameters, totalParameters, totalSteps: steps } = course;
  const { secondsPerStep, tokensPerStep } = course;
  return {
    ...{ device, trainableParameters, totalParameters, steps },
    rows: { train: text.train.length, validation: text.validation.length },
    tokens: Math.round(steps * tokensPerStep),
    seconds: steps * secondsPerStep,
    measured: { secondsPerStep, tokensPerStep },
    memoryBytes: course.memory,
    diskBytes: { best: 4 * totalParameters, last: 12 * trainableParameters },
  };
}

/** What one scenario would take, for one seed. */
export interface ScenarioForecast {
  strategy: string;
  /** Under the plan that most learns in. */
  trainableParameters: number;
  sentences: { train: number; validation: number; test: number | null };
  /** Of the training examples, special tokens included; one pass. */
  tokens: number;
  epochs: number;
  steps: number;
  /** If it is not stopped early. */
  seconds: number;
  /** Best weights, and the state to go on from. */
  diskBytes: { best: number; last: number };
}

export interface Forecast {
  device: string;
  totalParameters: number;
  measured: { secondsPerStep: number; tokensPerStep: number };
  memoryBytes: NativeMemory;
  scenarios: ScenarioForecast[];
}

/**
 * Tells what scenarios would take, by a few steps of the one that most learns in and by the arithmetic of the others. The
 * model is loaded, and nothing is written.
 *
 * @throws what opening the data, loading the model and a training step throw
 */
export async function forecast(
  workspace: Workspace,
  scenarios: readonly Scenario[],
  { seed, signal }: { seed: number; signal?: AbortSignal },
): Promise<Forecast> {
  await using model = await workspace.createModel(seed, signal);
  const plans = scenarios.map(({ strategy }) => costliestPlan(strategy, model.config));
  const costs = plans.map((plan) => cost(model.config, plan));
  const most = costs.indexOf(Math.max(...costs));
  const portion = workspace.portion(scenarios[most]!);
  const encoded = await portion.encoded();
  const { train, validation } = portion.splits;
  const course = await measureCourse(
    model,
    (abort) =>
      finetune({
        ...{ model, train, validation, encoded, seed, signal: abort, prefixCache: false },
        ...finetuneOptions(workspace, scenarios[most]!),
        energy: false,
        freezing: constant({ notation: 'measured', plan: () => plans[most]! }),
      }),
    signal,
  );
  const secondsPerToken = course.secondsPerStep / course.tokensPerStep;
  const evaluated = await evaluate({ model, sentences: validation.slice(0, SENTENCES) });
  // Evaluations take more tokens at once than training steps.
  const { workspace: buffers } = await model.memory();
  const memoryBytes = { ...course.memory, workspace: Math.max(course.memory.workspace, buffers) };
  const evaluationPace = evaluated.seconds / Math.min(SENTENCES, validation.length);
  const forecasts: ScenarioForecast[] = [];
  for (const [index, scenario] of scenarios.entries()) {
    const plan = plans[index]!;
    await model.freeze(plan);
    const pace = (kept: boolean) => (secondsPerToken * cost(model.config, plan, kept)) / costs[most]!;
    const isKept = workspace.prefix !== false && scenario.training.frozenDropout !== 'on';
    const { splits, encoded } = await portionOf(workspace, scenario);
    const { steps, passes } = courseOf(scenario, encoded.train.wordCounts.length);
    const tokens = encoded.train.inputIds.length;
    const first = Math.min(1, passes);
    const training = tokens * (first * pace(false) + (passes - first) * pace(isKept));
    const epochs = Math.ceil(passes);
    const measured = epochs * splits.validation.length + (splits.test?.length ?? 0);
    const trainableParameters = learning(model);
    forecasts.push({
      strategy: scenario.strategy,
      trainableParameters,
      sentences: {
        train: splits.train.length,
        validation: splits.validation.length,
        test: splits.test?.length ?? null,
      },
      ...{ tokens, epochs, steps },
      seconds: training + evaluationPace * measured,
      diskBytes: { best: 4 * course.totalParameters, last: 12 * trainableParameters },
    });
  }
  return {
    device: course.device,
    totalParameters: course.totalParameters,
    measured: { secondsPerStep: course.secondsPerStep, tokensPerStep: course.tokensPerStep },
    memoryBytes,
    scenarios: forecasts,
  };
}

async function portionOf(workspace: Workspace, scenario: Scenario) {
  const portion = workspace.portion(scenario);
  return { splits: portion.splits, encoded: await portion.encoded() };
}

/** Optimizer steps of a run that is not stopped early, and its passes over the training data. */
function courseOf({ training, maxSteps }: Scenario, numExamples: number): { steps: number; passes: number } {
  const batches = Math.ceil(numExamples / training.batchSize);
  const ofEpoch = Math.ceil(batches / training.gradientAccumulation);
  const bounds = [training.maxSteps, maxSteps].filter((bound) => bound !== undefined);
  const steps = Math.min(training.epochs * ofEpoch, ...bounds);
  return { steps, passes: steps / ofEpoch };
}

function learning(model: EncoderModel): number {
  return model.parameters().reduce((sum, { count, trainable }) => sum + (trainable ? count : 0), 0);
}

/** The plan of a schedule under which a step takes longest. */
function costliestPlan(strategy: string, config: EncoderConfig): FreezePlan {
  const plans = parseFreezing(strategy).reachable(config.numLayers);
  return plans.reduce((a, b) => (cost(config, b) > cost(config, a) ? b : a));
}

/** Arithmetic of a step under a plan, in units of its own. */
function cost(config: EncoderConfig, plan: FreezePlan, prefixKept = false): number {
  const kept = prefixKept && frozenPrefixLength(plan) > 0;
  return stepArithmetic({ ...config, numLabels: config.labels.length }, plan, 1, { prefixKept: kept }).flops;
}
