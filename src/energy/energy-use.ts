import { setTimeout } from 'node:timers/promises';
import type { EnergyCounter, EnergyPart } from './counter.js';
import { EnergyMeter } from './meter.js';

/**
 * What a training used. The first group of fields has the names, units and meaning of CodeCarbon's
 * `emissions.csv`; all of them are measured, none is estimated, so that a part without a counter is null.
 */
export interface EnergyUse {
  /** Seconds over which it was measured: training and validation. */
  duration: number;
  /** Kilowatt-hours: the sum of the parts that were measured. */
  energy_consumed: number;
  cpu_energy: number | null;
  gpu_energy: number | null;
  ram_energy: number | null;
  /** Mean watts. */
  cpu_power: number | null;
  gpu_power: number | null;
  ram_power: number | null;
  /** Kilograms of CO2 equivalents; null unless the carbon intensity was given. */
  emissions: number | null;
  /** Kilograms a second. */
  emissions_rate: number | null;
  /** Grams of CO2 equivalents a kilowatt-hour, as given. */
  carbonIntensity: number | null;
  joules: number;
  /** Of trained tokens, special tokens included; null where none was trained. */
  joulesPer1000Tokens: number | null;
  /** Watts just before training began; contained in the figures above. */
  idlePower: Record<EnergyPart, number | null>;
  /** Names of the counters. The whole machine's, whoever used it. */
  sources: string[];
}

const JOULES_PER_KWH = 3.6e6;
const IDLE_MILLISECONDS = 250;

/** What was measured, as JSON. */
export interface Measured {
  joules: Record<EnergyPart, number | null>;
  seconds: number;
  /** Watts just before. */
  idlePower: Record<EnergyPart, number | null>;
  /** Names of the counters. */
  sources: string[];
}

/** A measurement under way. */
export interface EnergyMeasurement {
  /** To be called now and then, such as after each step. */
  sample(): void;
  /** So far. */
  measured(): Measured;
}

/**
 * Measures the idle power for a quarter of a second, then begins.
 *
 * @returns null where there is nothing to measure with.
 */
export async function beginEnergyMeasurement(
  counters: readonly EnergyCounter[],
): Promise<EnergyMeasurement | null> {
  if (counters.length === 0) return null;
  const idle = new EnergyMeter(counters);
  await setTimeout(IDLE_MILLISECONDS);
  const idleJoules = idle.joules();
  const idleSeconds = idle.seconds;
  const idlePower = byPart((part) => over(idleJoules[part], idleSeconds));
  const meter = new EnergyMeter(counters);
  const sources = counters.map(({ name }) => name);
  return {
    sample: () => meter.sample(),
    measured: () => ({ joules: meter.joules(), seconds: meter.seconds, idlePower, sources }),
  };
}

/** What two processes that worked one after the other measured together; a part counts where both measured it. */
export function addMeasured(earlier: Measured | null, later: Measured | null): Measured | null {
  if (earlier === null || later === null) return earlier ?? later;
  const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);
  return {
    joules: byPart((part) => sum(earlier.joules[part], later.joules[part])),
    seconds: earlier.seconds + later.seconds,
    idlePower: later.idlePower,
    sources: earlier.sources.filter((name) => later.sources.includes(name)),
  };
}

/** What several processes measured at the same time, no two the same: sums over those that measured a part. */
export function sumMeasured(all: readonly (Measured | null)[]): Measured | null {
  const measured = all.filter((one) => one !== null);
  if (measured.length === 0) return null;
  const sum = (values: (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  return {
    joules: byPart((part) => sum(measured.map(({ joules }) => joules[part]))),
    seconds: measured[0]!.seconds,
    idlePower: byPart((part) => sum(measured.map(({ idlePower }) => idlePower[part]))),
    sources: [...new Set(measured.flatMap(({ sources }) => sources))],
  };
}

/**
 * The figures from what was measured. Pure.
 *
 * @param measured beside what counters tell: the tokens trained meanwhile, and grams of CO2 equivalents a kilowatt-hour
 *   of the grid that the machine hangs on.
 */
export function energyUse(
  measured: Measured & { tokens: number; carbonIntensity: number | null },
): EnergyUse {
  const { joules, seconds, tokens, carbonIntensity } = measured;
  const total = (joules.cpu ?? 0) + (joules.gpu ?? 0) + (joules.ram ?? 0);
  const kilowattHours = total / JOULES_PER_KWH;
  const emissions = carbonIntensity === null ? null : (kilowattHours * carbonIntensity) / 1000;
  return {
    duration: seconds,
    energy_consumed: kilowattHours,
    cpu_energy: over(joules.cpu, JOULES_PER_KWH),
    gpu_energy: over(joules.gpu, JOULES_PER_KWH),
    ram_energy: over(joules.ram, JOULES_PER_KWH),
    cpu_power: over(joules.cpu, seconds),
    gpu_power: over(joules.gpu, seconds),
    ram_power: over(joules.ram, seconds),
    emissions,
    emissions_rate: over(emissions, seconds),
    carbonIntensity,
    joules: total,
    joulesPer1000Tokens: over(total * 1000, tokens),
    idlePower: measured.idlePower,
    sources: measured.sources,
  };
}

function over(amount: number | null, divisor: number): number | null {
  return amount === null || divisor <= 0 ? null : amount / divisor;
}

function byPart(value: (part: EnergyPart) => number | null): Record<EnergyPart, number | null> {
  return { cpu: value('cpu'), gpu: value('gpu'), ram: value('ram') };
}
