import { energyCounters } from '../energy/energy-counters.js';
import {
  addMeasured,
  beginEnergyMeasurement,
  type EnergyMeasurement,
  type EnergyUse,
  energyUse,
  type Measured,
} from '../energy/energy-use.js';
import type { TrainingSettings } from './settings.js';

/** What counters tell of a run, over all processes that worked at it. */
export class RunEnergy {
  readonly #settings: TrainingSettings;
  #earlier: Measured | null = null;
  #measurement: EnergyMeasurement | null = null;

  constructor(settings: TrainingSettings) {
    this.#settings = settings;
  }

  /** Begins to measure where that is wanted and possible. @param earlier what other processes measured. */
  async begin(earlier: Measured | null, { isOver }: { isOver: boolean }): Promise<void> {
    const { energy, model } = this.#settings;
    this.#earlier = earlier;
    if (energy === false || isOver) return;
    this.#measurement = await beginEnergyMeasurement(energy.counters ?? energyCounters(model.device));
  }

  sample(): void {
    this.#measurement?.sample();
  }

  measured(): Measured | null {
    return addMeasured(this.#earlier, this.#measurement?.measured() ?? null);
  }

  /** Ends the measurement. */
  end(): void {
    this.#earlier = this.measured();
    this.#measurement = null;
  }

  /** @param tokens trained meanwhile. */
  use(tokens: number): EnergyUse | null {
    const { energy } = this.#settings;
    const carbonIntensity = energy === false ? null : (energy.carbonIntensity ?? null);
    const measured = this.measured();
    return measured && energyUse({ ...measured, tokens, carbonIntensity });
  }
}
