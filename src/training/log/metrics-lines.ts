import type { ProgressEvent, TrainingResult } from '../events.js';
import type { Progress } from '../progress.js';
import type { MetricsLine, MetricsLineOf } from './metrics-line.js';

/** Lines of a run of `logSteps: undefined`, at most, and the most steps that a line then stands for. */
const MOST_LINES = 1000;
const MOST_STEPS_A_LINE = 100;

/** Steps that a line stands for, where it is not said: the curve of a run of any length has about a thousand points. */
export function stepsALine(totalSteps: number): number {
  return Math.min(MOST_STEPS_A_LINE, Math.ceil(totalSteps / MOST_LINES));
}

/** What of a run its lines tell of: each line tells of a later one than those before it. */
export interface LinesEnd {
  step: number;
  /** Last epoch that was closed. */
  epoch: number;
  /** Step of the last evaluation of the validation data. */
  evaluatedStep: number;
  stage: number;
  hasTest: boolean;
  isDone: boolean;
}

export const NO_LINES: LinesEnd = {
  step: 0,
  epoch: 0,
  evaluatedStep: 0,
  stage: 0,
  hasTest: false,
  isDone: false,
};

/** How far the lines of a training with this progress go. */
export function endOf({ losses, epochs, evaluations, stages, end }: Progress<unknown>): LinesEnd {
  return {
    step: losses.length,
    epoch: epochs.at(-1)?.epoch ?? 0,
    evaluatedStep: evaluations.at(-1)?.step ?? 0,
    stage: stages.length,
    hasTest: end !== null,
    isDone: end !== null,
  };
}

/** Whether a line tells of something that lies behind the end. */
export function isBeyond(line: MetricsLine, end: LinesEnd): boolean {
  switch (line.type) {
    case 'stage':
      return line.stage > end.stage;
    case 'step':
      return line.step > end.step;
    case 'epoch':
      return line.epoch > end.epoch;
    case 'evaluation':
      return line.split === 'test' ? !end.hasTest : line.step > end.evaluatedStep;
    case 'done':
      return !end.isDone;
  }
}

/** The end with one more line. */
export function afterLine(end: LinesEnd, line: MetricsLine): LinesEnd {
  switch (line.type) {
    case 'stage':
      return { ...end, stage: line.stage };
    case 'step':
      return { ...end, step: line.step };
    case 'epoch':
      return { ...end, epoch: line.epoch };
    case 'evaluation':
      return line.split === 'test' ? { ...end, hasTest: true } : { ...end, evaluatedStep: line.step };
    case 'done':
      return { ...end, isDone: true };
  }
}

/** Makes the lines of a training from its events. */
export class MetricsLines {
  #step: number;
  #tokens: number;
  /** Of the steps since the last line, and how many these are. */
  #lossSum = 0;
  #losses = 0;

  /**
   * @param everySteps steps that a line stands for
   * @param done steps and tokens that earlier processes trained
   */
  constructor(
    private readonly everySteps: number,
    done: { losses: readonly number[]; tokens: number } = { losses: [], tokens: 0 },
  ) {
    this.#step = done.losses.length;
    this.#tokens = done.tokens;
    for (const loss of done.losses.slice(this.#step - (this.#step % everySteps))) this.#count(loss);
  }

  /** The line of an event; null where it has none. */
  of(event: ProgressEvent<unknown>): MetricsLine | null {
    const time = Date.now() / 1000;
    switch (event.type) {
      case 'freeze': {
        const { epoch, step, stage, plan, reason, trainableParameters, totalParameters, device } = event;
        const parameters = { trainableParameters, totalParameters };
        return { type: 'stage', time, epoch, step, stage, plan, reason, ...parameters, device };
      }
      case 'step': {
        const { epoch, step, totalSteps, learningRate, gradNorm, tokensPerSecond } = event;
        this.#step = step;
        this.#tokens += event.tokens;
        this.#count(event.loss);
        if (step % this.everySteps !== 0) return null;
        const loss = this.#lossSum / this.#losses;
        [this.#lossSum, this.#losses] = [0, 0];
        const trained = { tokens: this.#tokens, tokensPerSecond };
        return { type: 'step', time, epoch, step, totalSteps, loss, learningRate, gradNorm, ...trained };
      }
      case 'epoch': {
        const { epoch, trainLoss, trainSeconds, tokens: ofEpoch } = event;
        const tokens = {
          tokens: this.#tokens,
          tokensPerSecond: trainSeconds === 0 ? 0 : ofEpoch / trainSeconds,
        };
        return { type: 'epoch', time, epoch, step: this.#step, trainLoss, trainSeconds, ...tokens };
      }
      case 'evaluation': {
        const { epoch, step, split, loss, score, best, seconds } = event;
        const metrics = event.metrics as MetricsLineOf<'evaluation'>['metrics'];
        return { type: 'evaluation', time, epoch, step, split, loss, score, best, seconds, metrics };
      }
      default:
        return null;
    }
  }

  /** The last line. */
  end(result: TrainingResult<unknown>): MetricsLineOf<'done'> {
    const { epochs, steps, bestEpoch, bestStep, bestScore, stoppedEarly, seconds } = result;
    const place = { time: Date.now() / 1000, epoch: epochs.length, step: steps };
    return { type: 'done', ...place, bestEpoch, bestStep, bestScore, stoppedEarly, seconds: seconds.total };
  }

  #count(loss: number): void {
    this.#lossSum += loss;
    this.#losses++;
  }
}
