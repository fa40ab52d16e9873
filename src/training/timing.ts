import type { PhaseSeconds } from './events.js';

type Phase = Exclude<keyof PhaseSeconds, 'total'>;

/** Wall time by phase of a run. */
export class Phases {
  readonly #started = performance.now();
  readonly #milliseconds: Record<Phase, number> = { encode: 0, train: 0, validation: 0, test: 0 };

  /** Seconds of a phase so far. */
  seconds(phase: Phase): number {
    return this.#milliseconds[phase] / 1000;
  }

  measureSync<T>(phase: Phase, work: () => T): T {
    const started = performance.now();
    try {
      return work();
    } finally {
      this.#milliseconds[phase] += performance.now() - started;
    }
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
    const { encode, train, validation, test } = this.#milliseconds;
    return {
      encode: encode / 1000,
      train: train / 1000,
      validation: validation / 1000,
      test: test / 1000,
      total: (performance.now() - this.#started) / 1000,
    };
  }
}
