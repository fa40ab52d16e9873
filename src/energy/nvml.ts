import { type Addon, addon } from '../native/addon.js';
import type { EnergyCounter } from './counter.js';

/** The counter of the card that a device name stands for; none for the CPU and for cards before Volta. */
export function cardCounters(
  device: string,
  cardEnergy: Addon['cardEnergy'] = (index) => addon().cardEnergy(index),
): EnergyCounter[] {
  const match = /^cuda(?::(\d+))?$/.exec(device);
  if (match === null) return [];
  const index = Number(match[1] ?? 0);
  const read = () => cardEnergy(index).joules;
  return read() === null ? [] : [{ part: 'gpu', name: `NVML cuda:${index}`, read, wrapsAt: null }];
}
