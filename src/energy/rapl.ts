import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyCounter, EnergyPart } from './counter.js';

/** Where Linux shows the RAPL counters, of Intel's and of AMD's processors alike. */
export const POWERCAP = '/sys/class/powercap';

// Packages lie at intel-rapl:0, their parts at intel-rapl:0:0; the same counters may appear again as intel-rapl-mmio.
const ZONE = /^intel-rapl:\d+(:\d+)?$/;

/**
 * The counters of the processor packages and of their memory that can be read. Parts of a package (`core`,
 * `uncore`) are contained in it, and `psys` contains it, so both are left out.
 *
 * Linux lets only root read them unless told otherwise: see {@link raplProblem}.
 */
export function raplCounters(powercap: string = POWERCAP): EnergyCounter[] {
  return zonesIn(powercap).flatMap((zone) => {
    const directory = join(powercap, zone);
    const name = readText(join(directory, 'name'));
    const part = partOf(name);
    const range = readMicrojoules(join(directory, 'max_energy_range_uj'));
    const read = () => readMicrojoules(join(directory, 'energy_uj'));
    if (part === null || range === null || read() === null) return [];
    return [{ part, name: `RAPL ${name}`, read, wrapsAt: range }];
  });
}

/** Why there are no counters, in words; null where there are. */
export function raplProblem(powercap: string = POWERCAP): string | null {
  if (raplCounters(powercap).length > 0) return null;
  const isThere = zonesIn(powercap).length > 0;
  return isThere
    ? `RAPL cannot be read; as root: chmod o+r ${powercap}/intel-rapl:*/energy_uj`
    : 'no RAPL here (virtual machines seldom have it)';
}

function zonesIn(powercap: string): string[] {
  try {
    return readdirSync(powercap)
      .filter((name) => ZONE.test(name))
      .sort();
  } catch {
    return [];
  }
}

function partOf(name: string | null): EnergyPart | null {
  if (name?.startsWith('package-')) return 'cpu';
  return name === 'dram' ? 'ram' : null;
}

/** Joules of a file in microjoules. */
function readMicrojoules(file: string): number | null {
  const text = readText(file);
  return text !== null && /^\d+$/.test(text) ? Number(text) / 1e6 : null;
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}
