import type { EnergyCounter } from './counter.js';
import { cardCounters } from './nvml.js';
import { raplCounters } from './rapl.js';

/** What this machine can measure of a model on the device: processor and memory by RAPL, its card by NVML. */
export function energyCounters(device: string): EnergyCounter[] {
  return [...raplCounters(), ...cardCounters(device)];
}
