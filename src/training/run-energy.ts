import { energyCounters } from '../energy/energy-counters.js';
import {
  addMeasured,
  beginEnergyMeasurement,
  type EnergyMeasurement,
  type EnergyUse,
  energyUse,
  type Measured,
  sumMeasured,
} from '../energy/energy-use.js';
import type { Ranks } from './ranks.js';
import type { TrainingSettings } from './settings.js';

/** What counters tell of a run, over all processes that worked at it, one after another or together. */
export class RunEnergy {
  readonly #settings: TrainingSettings;
  #earlier: Measured | null = null;
  #measurement: EnergyMeasurement | null = null;
  /** What other ranks have measured by now. */
  #others: Measured | null = null;
  #isOver = false;
  readonly #ranks: Ranks;

  constructor(settings: TrainingSettings, ranks: Ranks) {
    this.#settings = settings;
    this.#ranks = ranks;
  }

  /** Begins to measure where that is wanted and possible. @param earlier what other processes measured. */
  async begin(earlier: Measured | null, { isOver }: { isOver: boolean }): Promise<void> {
    const { energy, model } = this.#settings;
    this.#earlier = this.#ranks.isFirst ? earlier : null;
    if (energy === false || isOver) return;
    const counters = energy.counters ?? energyCounters(model.device);
    this.#measurement = await beginEnergyMeasurement(this.#ranks.ownCounters(counters));
  }

  sample(): void {
    this.#measurement?.sample();
  }

  /** Of this rank, and with it what others told last. */
  measured(): Measured | null {
    return addMeasured(this.#earlier, sumMeasured([this.#own(), this.#others]));
  }

  /** Lets the ranks tell each other what they have measured. */
  async share(): Promise<void> {
    if (this.#isOver || this.#ranks.group === null) return;
    const all = await this.#ranks.gather(this.#own());
    this.#others = sumMeasured(all.filter((_, rank) => rank !== this.#ranks.rank));
  }

  /** Ends the measurement. */
  end(): void {
    this.#earlier = this.measured();
    [this.#measurement, this.#others, this.#isOver] = [null, null, true];
  }

  #own(): Measured | null {
    return this.#measurement?.measured() ?? null;
  }

  /** @param tokens trained meanwhile. */
  use(tokens: number): EnergyUse | null {
    const { energy } = this.#settings;
    const carbonIntensity = energy === false ? null : (energy.carbonIntensity ?? null);
    const measured = this.measured();
    return measured && energyUse({ ...measured, tokens, carbonIntensity });
  }
}
