import type { FreezeSchedule } from '../freezing/schedule.js';
import type { Progress } from './progress.js';
import type { TrainingSettings } from './settings.js';

type Course = Pick<
  TrainingSettings,
  'epochs' | 'maxSteps' | 'gradientAccumulation' | 'evaluateEvery' | 'saveSteps'
> & { freezing: Pick<FreezeSchedule, 'intervals'> };
type Position = Pick<
  Progress<unknown>,
  'epoch' | 'stepsOfEpoch' | 'losses' | 'evaluations' | 'intervals' | 'stages'
>;

/** What is due when, by steps and epochs alone. */
export class Calendar {
  /** Optimizer steps of the whole run, if it is not stopped early. */
  readonly totalSteps: number;
  readonly #course: Course;
  readonly #countBatches: (epoch: number) => number;
  readonly #steps = new Map<number, number>();

  /** @param countBatches number of batches of an epoch, from 1. */
  constructor(course: Course, countBatches: (epoch: number) => number) {
    this.#course = course;
    this.#countBatches = countBatches;
    this.totalSteps = this.stepsThrough(course.epochs);
  }

  /** Optimizer steps of the run until an epoch is over. */
  stepsThrough(lastEpoch: number): number {
    const { epochs, maxSteps = Number.POSITIVE_INFINITY } = this.#course;
    let steps = 0;
    for (let epoch = 1; epoch <= Math.min(lastEpoch, epochs) && steps < maxSteps; epoch++)
      steps += this.#stepsOf(epoch);
    return Math.min(steps, maxSteps);
  }

  /** Whether the last step of an epoch, or of the run, is done. */
  endsEpoch({ epoch, stepsOfEpoch, losses }: Position): boolean {
    return stepsOfEpoch === this.#stepsOf(epoch) || losses.length === this.totalSteps;
  }

  /** Whether the present weights are to be measured, and have not been. */
  isEvaluationDue(position: Position): boolean {
    const { losses, evaluations } = position;
    const isTurn = this.endsEpoch(position) || this.#isMultiple(losses.length, this.#course.evaluateEvery);
    return isTurn && evaluations.at(-1)?.step !== losses.length;
  }

  /** Whether an interval of the freezing schedule is over that it has not observed. */
  isIntervalDue({ losses, intervals }: Position): boolean {
    return losses.length >= this.#endOfInterval(intervals);
  }

  isStateDue({ losses, stages }: Position): boolean {
    // A stage that begins from the best weights cannot be begun again once better ones have taken their place.
    const beginsStage = stages.at(-1)!.step === losses.length;
    return beginsStage || this.#isMultiple(losses.length, this.#course.saveSteps);
  }

  /** Optimizer steps until something else than a step is due; 0 where it is due now. */
  stepsAhead(position: Position): number {
    if (this.isEvaluationDue(position) || this.isIntervalDue(position)) return 0;
    const { epoch, stepsOfEpoch, losses, intervals } = position;
    const { evaluateEvery, saveSteps } = this.#course;
    const until = (every: number | undefined) =>
      every === undefined ? Number.POSITIVE_INFINITY : every - (losses.length % every);
    return Math.min(
      this.#stepsOf(epoch) - stepsOfEpoch,
      this.totalSteps - losses.length,
      this.#endOfInterval(intervals) - losses.length,
      until(evaluateEvery),
      until(saveSteps),
    );
  }

  /** Optimizer steps until the end of an interval, counted from 0. */
  #endOfInterval(interval: number): number {
    const { intervals } = this.#course.freezing;
    if (intervals === undefined) return Number.POSITIVE_INFINITY;
    // A run of fewer steps than intervals has one a step.
    const count = Math.min(intervals, this.totalSteps);
    return Math.ceil(((interval + 1) * this.totalSteps) / count);
  }

  #stepsOf(epoch: number): number {
    const known = this.#steps.get(epoch);
    const steps = known ?? Math.ceil(this.#countBatches(epoch) / this.#course.gradientAccumulation);
    this.#steps.set(epoch, steps);
    return steps;
  }

  #isMultiple(step: number, every: number | undefined): boolean {
    return every !== undefined && step > 0 && step % every === 0;
  }
}
