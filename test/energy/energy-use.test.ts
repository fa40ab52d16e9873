import { describe, expect, it } from 'vitest';
import { beginEnergyMeasurement, energyUse, sumMeasured } from '../../src/energy/energy-use.js';
import { cardCounters } from '../../src/energy/nvml.js';

const measured = {
  joules: { cpu: 3.6e6, gpu: 7.2e6, ram: null },
  seconds: 3600,
  idlePower: { cpu: 20, gpu: 60, ram: null },
  tokens: 2_000_000,
  carbonIntensity: null,
  sources: ['RAPL package-0', 'NVML cuda:0'],
};

describe('sumMeasured', () => {
  it('adds up what ranks measured at the same time, and leaves out what none did', () => {
    const other = { ...measured, joules: { cpu: null, gpu: 1e6, ram: null }, sources: ['NVML cuda:1'] };
    expect(sumMeasured([measured, null, other])).toEqual({
      joules: { cpu: 3.6e6, gpu: 8.2e6, ram: null },
      seconds: 3600,
      idlePower: { cpu: 40, gpu: 120, ram: null },
      sources: ['RAPL package-0', 'NVML cuda:0', 'NVML cuda:1'],
    });
    expect(sumMeasured([null, null])).toBeNull();
  });
});

describe('energyUse', () => {
  it("has CodeCarbon's fields in its units: seconds, kilowatt-hours, watts", () => {
    expect(energyUse(measured)).toEqual({
      duration: 3600,
      energy_consumed: 3,
      cpu_energy: 1,
      gpu_energy: 2,
      ram_energy: null,
      cpu_power: 1000,
      gpu_power: 2000,
      ram_power: null,
      emissions: null,
      emissions_rate: null,
      carbonIntensity: null,
      joules: 10.8e6,
      joulesPer1000Tokens: 5400,
      idlePower: { cpu: 20, gpu: 60, ram: null },
      sources: ['RAPL package-0', 'NVML cuda:0'],
    });
  });

  it('has kilograms of CO2 only with an intensity', () => {
    const { emissions, emissions_rate: rate } = energyUse({ ...measured, carbonIntensity: 400 });
    expect(emissions).toBeCloseTo(1.2, 12);
    expect(rate).toBeCloseTo(1.2 / 3600, 15);
    expect(energyUse({ ...measured, carbonIntensity: 0 }).emissions).toBe(0);
  });

  it('divides by no tokens and no time', () => {
    const use = energyUse({ ...measured, seconds: 0, tokens: 0 });
    expect(use).toMatchObject({ cpu_power: null, joulesPer1000Tokens: null });
  });
});

describe('cardCounters', () => {
  it('reads the card of the device', () => {
    const joules = [10, 20];
    const cardEnergy = (index: number) => ({ joules: joules[index] ?? null, watts: null });
    const [counter] = cardCounters('cuda:1', cardEnergy);
    expect(counter).toMatchObject({ part: 'gpu', name: 'NVML cuda:1', wrapsAt: null });
    expect(counter?.read()).toBe(20);
    expect(cardCounters('cuda', cardEnergy)[0]?.read()).toBe(10);
    expect(cardCounters('cpu', cardEnergy)).toEqual([]);
    expect(cardCounters('cuda:2', cardEnergy)).toEqual([]);
  });
});

describe('beginEnergyMeasurement', () => {
  it('measures nothing without counters', async () => {
    expect(await beginEnergyMeasurement([])).toBeNull();
  });

  it('tells the idle power apart from the use', async () => {
    let joules = 0;
    const idle = setInterval(() => {
      joules += 1;
    }, 10);
    const counters = [{ part: 'cpu' as const, name: 'fake', read: () => joules, wrapsAt: null }];
    const measurement = (await beginEnergyMeasurement(counters))!;
    clearInterval(idle);
    joules += 5000;
    const use = energyUse({ ...measurement.measured(), tokens: 1000, carbonIntensity: 100 });
    expect(use.idlePower.cpu).toBeGreaterThan(0);
    expect(use).toMatchObject({ joules: 5000, joulesPer1000Tokens: 5000, carbonIntensity: 100 });
    expect(use.cpu_energy).toBeCloseTo(5000 / 3.6e6, 15);
  });
});
