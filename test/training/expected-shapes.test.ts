import { describe, expect, it } from 'vitest';
import { shapeOf } from '../../src/bench/card.js';
import { finetuneSchema, TaggingTask } from '../../src/training/tagging-task.js';
import { smallTask } from '../helpers/corpus.js';

const { createModel, train, validation } = smallTask();

describe('the shapes that a card is told of', () => {
  it('are those of the batches of each epoch, in their order', async () => {
    const model = await createModel();
    try {
      for (const weighted of [false, true]) {
        const sentences = weighted ? train.map((sentence, i) => ({ ...sentence, weight: 1 + i })) : train;
        const options = finetuneSchema.parse({ model, train: sentences, validation, batchSize: 7, seed: 3 });
        const task = await TaggingTask.create(options);
        const shapes = [1, 2].map((epoch) => task.shapes(epoch));
        for (const [i, epoch] of [1, 2].entries()) {
          const batches = [...task.batches(epoch, 0)];
          expect(shapes[i]).toEqual(batches.map(shapeOf));
          expect(shapes[i]!.every((shape) => shape.weighted === weighted)).toBe(true);
        }
        expect(shapes[0]).not.toEqual(shapes[1]);
      }
    } finally {
      await model.dispose();
    }
  });

  it('may be told to any trainer, and change nothing on a CPU', async () => {
    const losses = [];
    for (const tells of [false, true]) {
      const model = await createModel();
      const trainer = await model.trainer({ learningRate: 1e-3 });
      const batch = { inputIds: [[3, 4, 5]], labels: [[0, 1, 0]] };
      const shape = { tokens: 3, sequences: 1, longest: 3, weighted: false };
      if (tells) await trainer.expect([shape, shape]);
      losses.push((await trainer.step(batch)).loss, (await trainer.step(batch)).loss);
      await model.dispose();
    }
    expect(losses.slice(2)).toEqual(losses.slice(0, 2));
  });

  it('are refused where no batch has them, on a CPU, too', async () => {
    const model = await createModel();
    const trainer = await model.trainer();
    const shape = { tokens: 9, sequences: 2, longest: 3, weighted: false };
    await expect(trainer.expect([shape])).rejects.toThrowError(
      expect.objectContaining({ code: 'INVALID_BATCH' }),
    );
    await model.dispose();
    await expect(trainer.expect([])).rejects.toThrowError(expect.objectContaining({ code: 'DISPOSED' }));
  });
});
