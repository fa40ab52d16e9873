/** Part of the machine whose energy is counted, as CodeCarbon divides it. */
export type EnergyPart = 'cpu' | 'gpu' | 'ram';

/** A counter that only rises, but for its wrap. */
export interface EnergyCounter {
  part: EnergyPart;
  /** Where the figures come from, such as `RAPL package-0` or `NVML cuda:0`. */
  name: string;
  /** Joules since some moment in the past; null where the counter cannot be read. */
  read(): number | null;
  /** Joules at which the counter starts again from 0; null where it never does. */
  wrapsAt: number | null;
}
