import type { MetricsLine } from '../../training/log/metrics-line.js';

/** Seconds of steps after which what was counts for a third: a frozen prefix that is kept quickens later epochs. */
const PACE_SECONDS = 10;

/** How far a run has come, and how long it takes still, from the times of its lines. */
export class RunCourse {
  #step = 0;
  #totalSteps = 0;
  #time = 0;
  /** Whether nothing but steps lies between now and the line at `#time`. */
  #isStepping = false;
  /** Of late: steps, and their seconds. */
  #steps = 0;
  #seconds = 0;
  /** Of all: seconds between steps, such as those of evaluations, and the steps that they came with. */
  #pauses = 0;
  #paced = 0;

  on(line: MetricsLine): void {
    if (line.type === 'step') {
      const passed = Math.max(0, line.time - this.#time);
      const steps = line.step - this.#step;
      if (this.#isStepping) {
        const weight = Math.exp(-passed / PACE_SECONDS);
        this.#steps = weight * this.#steps + steps;
        this.#seconds = weight * this.#seconds + passed;
      } else if (this.#paced > 0) this.#pauses += Math.max(0, passed - steps * this.#secondsAStep);
      // What lies before the first step, such as loading, does not come again.
      if (this.#time > 0) this.#paced += steps;
      [this.#step, this.#totalSteps, this.#time] = [line.step, line.totalSteps, line.time];
      this.#isStepping = true;
    } else if (line.type === 'done') this.#step = this.#totalSteps;
    else this.#isStepping = false;
  }

  get step(): number {
    return this.#step;
  }

  get totalSteps(): number {
    return this.#totalSteps;
  }

  /** 0 to 1. */
  get share(): number {
    return this.#totalSteps === 0 ? 0 : this.#step / this.#totalSteps;
  }

  /** Until the last step, evaluations included; null as long as there is nothing to go by. */
  get secondsLeft(): number | null {
    if (this.#steps === 0) return null;
    return (this.#totalSteps - this.#step) * (this.#secondsAStep + this.#pauses / this.#paced);
  }

  get #secondsAStep(): number {
    return this.#steps === 0 ? 0 : this.#seconds / this.#steps;
  }
}

/** The same of a grid's runs that are left, of which one is under way. */
export class GridCourse {
  #run = new RunCourse();
  #done = 0;
  /** Seconds that the runs done here took from their start to their end. */
  #seconds = 0;
  #started: number | null = null;

  /** @param todo number of runs @param now in seconds */
  constructor(
    private readonly todo: number,
    private readonly now: () => number,
  ) {}

  begin(run: RunCourse): void {
    this.#run = run;
    this.#started = this.now();
  }

  end(): void {
    this.#done++;
    this.#seconds += this.now() - (this.#started ?? this.now());
    this.leave();
  }

  /** The run is another's to end. */
  leave(): void {
    this.#started = null;
    this.#run = new RunCourse();
  }

  /** One of the runs was done by another process meanwhile. */
  endElsewhere(): void {
    this.#done++;
  }

  get share(): number {
    return this.todo === 0 ? 1 : Math.min(1, (this.#done + this.#run.share) / this.todo);
  }

  /** A run that is to come takes as long as those that are done, or else as the one under way. */
  get secondsLeft(): number | null {
    const isRunning = this.#started !== null;
    const left = isRunning ? this.#run.secondsLeft : 0;
    if (left === null) return null;
    const toCome = this.todo - this.#done - (isRunning ? 1 : 0);
    if (toCome <= 0) return left;
    const taken = isRunning ? this.now() - this.#started! : 0;
    if (this.#seconds === 0) return isRunning ? left + toCome * (taken + left) : null;
    // Runs that others did meanwhile cost nothing here, and neither will their share of what is to come.
    return left + toCome * (this.#seconds / this.#done);
  }
}
