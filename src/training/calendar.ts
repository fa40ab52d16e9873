import type { Progress } from './progress.js';
import type { TrainingSettings } from './settings.js';

type Course = Pick<
  TrainingSettings,
  'epochs' | 'maxSteps' | 'gradientAccumulation' | 'evaluateEvery' | 'saveSteps'
>;
type Position = Pick<Progress<unknown>, 'epoch' | 'stepsOfEpoch' | 'losses' | 'evaluations'>;

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
    const { epochs, maxSteps = Number.POSITIVE_INFINITY } = course;
    let steps = 0;
    for (let epoch = 1; epoch <= epochs && steps < maxSteps; epoch++) steps += this.#stepsOf(epoch);
    this.totalSteps = Math.min(steps, maxSteps);
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

  isStateDue({ losses }: Position): boolean {
    return this.#isMultiple(losses.length, this.#course.saveSteps);
  }

  /** Optimizer steps until something else than a step is due; 0 where it is due now. */
  stepsAhead(position: Position): number {
    if (this.isEvaluationDue(position)) return 0;
    const { epoch, stepsOfEpoch, losses } = position;
    const { evaluateEvery, saveSteps } = this.#course;
    const until = (every: number | undefined) =>
      every === undefined ? Number.POSITIVE_INFINITY : every - (losses.length % every);
    const left = this.totalSteps - losses.length;
    return Math.min(this.#stepsOf(epoch) - stepsOfEpoch, left, until(evaluateEvery), until(saveSteps));
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
