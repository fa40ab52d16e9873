import type { EnergyCounter, EnergyPart } from './counter.js';

// A busy package of 300 W runs through RAPL's usual range of 262 kJ in 15 minutes.
const SAMPLE_SECONDS = 30;

/** Joules by part since a meter was started; null where a part has no counter, or one that failed meanwhile. */
export type EnergyByPart = Record<EnergyPart, number | null>;

/** Adds up counters over a time, across their wraps as long as it is sampled more often than they wrap. */
export class EnergyMeter {
  readonly #readings: { counter: EnergyCounter; last: number | null; joules: number }[];
  readonly #now: () => number;
  readonly #started: number;
  #sampled: number;

  /** @param now seconds of a steady clock. */
  constructor(counters: readonly EnergyCounter[], now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#started = now();
    this.#sampled = this.#started;
    this.#readings = counters.map((counter) => ({ counter, last: counter.read(), joules: 0 }));
  }

  /** Seconds since the start. */
  get seconds(): number {
    return this.#now() - this.#started;
  }

  /** Reads the counters if the last reading is old enough. Cheap, so that it can be called after every step. */
  sample(): void {
    if (this.#now() - this.#sampled >= SAMPLE_SECONDS) this.#read();
  }

  /** Reads the counters now. */
  joules(): EnergyByPart {
    this.#read();
    const total = (part: EnergyPart): number | null => {
      const own = this.#readings.filter(({ counter }) => counter.part === part);
      if (own.length === 0 || own.some(({ last }) => last === null)) return null;
      return own.reduce((sum, { joules }) => sum + joules, 0);
    };
    return { cpu: total('cpu'), gpu: total('gpu'), ram: total('ram') };
  }

  #read(): void {
    this.#sampled = this.#now();
    for (const reading of this.#readings) {
      const { counter, last } = reading;
      const value = last === null ? null : counter.read();
      if (value !== null && last !== null) {
        reading.joules += value >= last ? value - last : value - last + (counter.wrapsAt ?? 0);
      }
      // What was missed once cannot be made up for.
      reading.last = value;
    }
  }
}
