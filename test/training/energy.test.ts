import { describe, expect, it } from 'vitest';
import type { EnergyCounter } from '../../src/entries/training.js';
import { finetune } from '../../src/index.js';
import { smallTask } from '../helpers/corpus.js';
import { thrownBy } from '../helpers/thrown.js';

const task = smallTask();
const { train, validation, test } = task;

/** A counter that rises by so many joules with each reading. */
function fakeCounter(part: EnergyCounter['part'], joulesARead: number): EnergyCounter {
  let joules = 0;
  const read = () => {
    joules += joulesARead;
    return joules;
  };
  return { part, name: `fake ${part}`, read, wrapsAt: null };
}

describe('the energy of a training', () => {
  it('is that of its counters, by trained token, with emissions only on request', async () => {
    const model = await task.createModel();
    const counters = [fakeCounter('cpu', 30), fakeCounter('gpu', 70)];
    const options = { model, train, validation, test, epochs: 1, energy: { counters, carbonIntensity: 250 } };
    const { energy, tokens, seconds } = await finetune(options).result;
    await model.dispose();
    // A short training reads each counter at its beginning and at its end.
    expect(energy).toMatchObject({
      joules: 100,
      joulesPer1000Tokens: 100_000 / tokens,
      sources: ['fake cpu', 'fake gpu'],
    });
    expect(energy!.emissions).toBeCloseTo((100 / 3.6e6) * 0.25, 15);
    expect(energy!.duration).toBeGreaterThanOrEqual(seconds.train + seconds.validation - 0.01);
    expect(energy!.duration).toBeLessThan(seconds.total);
  });

  it('is not measured where that is not wanted', async () => {
    const model = await task.createModel();
    const result = await finetune({ model, train, validation, epochs: 1, energy: false }).result;
    await model.dispose();
    expect(result.energy).toBeNull();
  });

  it('refuses an intensity that cannot be', async () => {
    const model = await task.createModel();
    const run = finetune({ model, train, validation, energy: { carbonIntensity: -1 } });
    const error = await thrownBy(() => run.result);
    await model.dispose();
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain('energy');
  });
});
