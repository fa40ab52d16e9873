import type { PhaseSeconds } from './events.js';

type Phase = Exclude<keyof PhaseSeconds, 'total'>;

/** Wall time by phase of a run, which may have begun in an earlier process. */
export class Phases {
  readonly #started = performance.now();
  readonly #milliseconds: Record<Phase, number> = { encode: 0, train: 0, validation: 0, test: 0, save: 0 };
  #earlier: PhaseSeconds = { encode: 0, train: 0, validation: 0, test: 0, save: 0, total: 0 };

  /** Adds what earlier processes took. */
  goOnFrom(earlier: PhaseSeconds | null): void {
    if (earlier !== null) this.#earlier = earlier;
  }

  /** Seconds of a phase so far. */
  seconds(phase: Phase): number {
    return this.#earlier[phase] + this.#milliseconds[phase] / 1000;
  }

  async measure<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.#milliseconds[phase] += performance.now() - started;
    }
  }

  /** Measures the making of each item, not what the consumer does between them. */
  async *measureEach<T>(phase: Phase, source: AsyncGenerator<T>): AsyncGenerator<T> {
    while (true) {
      const next = await this.measure(phase, () => source.next());
      if (next.done) return;
      yield next.value;
    }
  }

  summary(): PhaseSeconds {
    const phases = Object.keys(this.#milliseconds) as Phase[];
    return {
      ...(Object.fromEntries(phases.map((phase) => [phase, this.seconds(phase)])) as Omit<
        PhaseSeconds,
        'total'
      >),
      total: this.#earlier.total + (performance.now() - this.#started) / 1000,
    };
  }
}

/** Seconds after which what was counts for a third. */
const RATE_SECONDS = 1;

/** Tokens a second of late, of which single steps tell little: their results come in bursts where several are in flight. */
export class TokenRate {
  #tokens = 0;
  #seconds = 0;
  #until: number | null = null;

  /** @param seconds of training so far. @returns the rate with so many tokens more */
  after(tokens: number, seconds: number): number {
    const passed = seconds - (this.#until ?? 0);
    this.#until = seconds;
    const weight = Math.exp(-passed / RATE_SECONDS);
    this.#tokens = weight * this.#tokens + tokens;
    this.#seconds = weight * this.#seconds + passed;
    return this.#seconds === 0 ? 0 : this.#tokens / this.#seconds;
  }
}
