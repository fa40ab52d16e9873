import { describe, expect, it } from 'vitest';
import type { TrainerOptions } from '../../src/index.js';
import { thrownBy } from '../helpers/thrown.js';
import { BATCH, withModel } from '../helpers/with-model.js';

describe('the warm-up of a trainer', () => {
  const rates = (options: TrainerOptions) =>
    withModel(async (model) => {
      const trainer = await model.trainer({ learningRate: 1, ...options });
      const seen: number[] = [];
      for (let i = 0; i < 4; i++) seen.push((await trainer.step(BATCH)).learningRate);
      return seen;
    });

  it('is a share of all steps or a number of them, which comes first', async () => {
    const bySteps = await rates({ totalSteps: 10, warmupSteps: 2 });
    expect(bySteps).toEqual([0, 0.5, 1, 0.875]);
    expect(await rates({ totalSteps: 10, warmupRatio: 0.2 })).toEqual(bySteps);
    expect(await rates({ totalSteps: 10, warmupRatio: 0.9, warmupSteps: 2 })).toEqual(bySteps);
  });

  it('needs to know of how many steps a share is', async () => {
    const error = await thrownBy(() => rates({ warmupRatio: 0.1 }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'totalSteps' } });
  });
});
