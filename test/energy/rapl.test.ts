import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EnergyMeter } from '../../src/energy/meter.js';
import { raplCounters, raplProblem } from '../../src/energy/rapl.js';

let root: string;

function zone(path: string, name: string, microjoules: number, range = 262_143_328_850): void {
  mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, path, 'name'), `${name}\n`);
  writeFileSync(join(root, path, 'max_energy_range_uj'), `${range}\n`);
  writeFileSync(join(root, path, 'energy_uj'), `${microjoules}\n`);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'permafrost-rapl-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('raplCounters', () => {
  it('takes packages and their memory, and nothing that they contain or that contains them', () => {
    zone('intel-rapl:0', 'package-0', 1_000_000);
    zone('intel-rapl:0:0', 'core', 1);
    zone('intel-rapl:0:1', 'dram', 2_500_000);
    zone('intel-rapl:1', 'package-1', 3_000_000);
    zone('intel-rapl:2', 'psys', 1);
    zone('intel-rapl-mmio:0', 'package-0', 1);
    const counters = raplCounters(root).map(({ part, name, read, wrapsAt }) => [part, name, read(), wrapsAt]);
    expect(counters).toEqual([
      ['cpu', 'RAPL package-0', 1, 262_143.32885],
      ['ram', 'RAPL dram', 2.5, 262_143.32885],
      ['cpu', 'RAPL package-1', 3, 262_143.32885],
    ]);
    expect(raplProblem(root)).toBeNull();
  });

  it('has none where the machine has none, and says so', () => {
    expect(raplCounters(join(root, 'none'))).toEqual([]);
    expect(raplProblem(join(root, 'none'))).toContain('no RAPL');
  });

  it('leaves out what cannot be read, and says what to do', () => {
    zone('intel-rapl:0', 'package-0', 1);
    const file = join(root, 'intel-rapl:0', 'energy_uj');
    // Root may read everything, so that the file is spoilt instead.
    if (process.getuid?.() === 0) writeFileSync(file, '');
    else chmodSync(file, 0);
    expect(raplCounters(root)).toEqual([]);
    expect(raplProblem(root)).toContain('chmod');
  });
});

describe('EnergyMeter', () => {
  it('goes on counting when a counter starts again from 0', () => {
    zone('intel-rapl:0', 'package-0', 99_000_000, 100_000_000);
    const meter = new EnergyMeter(raplCounters(root));
    zone('intel-rapl:0', 'package-0', 4_000_000, 100_000_000);
    expect(meter.joules()).toEqual({ cpu: 5, gpu: null, ram: null });
    zone('intel-rapl:0', 'package-0', 10_000_000, 100_000_000);
    expect(meter.joules().cpu).toBe(11);
  });

  it('meets every wrap of a counter because it reads between them', () => {
    let now = 0;
    // 1 kW on a counter of 100 kJ: it wraps every 100 s.
    const read = () => (now * 1000) % 100_000;
    const counter = { part: 'gpu', name: 'fake', read, wrapsAt: 100_000 } as const;
    const meter = new EnergyMeter([counter], () => now);
    for (; now < 1000; now += 0.5) meter.sample();
    expect(meter.joules().gpu).toBe(1_000_000);
    expect(meter.seconds).toBe(1000);
  });

  it('reads no more often than needed', () => {
    let now = 0;
    let reads = 0;
    const read = () => ++reads;
    const meter = new EnergyMeter([{ part: 'cpu', name: 'fake', read, wrapsAt: null }], () => now);
    for (; now < 60; now += 1) meter.sample();
    expect(reads).toBe(2);
  });

  it('adds up the packages of a machine', () => {
    zone('intel-rapl:0', 'package-0', 0);
    zone('intel-rapl:1', 'package-1', 0);
    const meter = new EnergyMeter(raplCounters(root));
    zone('intel-rapl:0', 'package-0', 1_000_000);
    zone('intel-rapl:1', 'package-1', 2_000_000);
    expect(meter.joules().cpu).toBe(3);
  });

  it('gives no figure for a part whose counter failed meanwhile', () => {
    zone('intel-rapl:0', 'package-0', 0);
    const meter = new EnergyMeter(raplCounters(root));
    rmSync(join(root, 'intel-rapl:0'), { recursive: true });
    expect(meter.joules().cpu).toBeNull();
    zone('intel-rapl:0', 'package-0', 5_000_000);
    expect(meter.joules().cpu).toBeNull();
  });
});
