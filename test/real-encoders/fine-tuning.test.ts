import { expect, it } from 'vitest';
import { bottomUp, finetune, labelSet, readSentences, TokenClassifier } from '../../src/index.js';
import { describeShared, sharedPath } from '../helpers/shared.js';

describeShared('fine-tuning a pretrained encoder on real text', () => {
  it('finds entities after seconds of training its upper layers, and leaves the lower ones as they are', async () => {
    const all = await readSentences(sharedPath('data', 'uner-ewt', 'en_ewt-ud-dev.iob2'));
    const short = all.filter(({ words }) => words.length <= 20);
    const withEntity = short.filter(({ tags }) => tags.some((tag) => tag !== 'O'));
    const [train, validation] = [withEntity.slice(0, 120), withEntity.slice(120, 170)];
    const directory = sharedPath('models', 'e5-small-v2');
    const options = { device: 'cpu', threads: 1, seed: 1, labels: labelSet(all) } as const;
    const model = await TokenClassifier.load(directory, options);
    try {
      const frozen = 'bert.encoder.layer.9.output.dense.weight';
      const learns = 'bert.encoder.layer.10.output.dense.weight';
      const [before, other] = [await model.readParameter(frozen), await model.readParameter(learns)];
      const { bestScore, losses } = await finetune({
        model,
        train,
        validation,
        epochs: 4,
        batchSize: 8,
        freezing: bottomUp(10),
        frozenDropout: 'off',
        optimizer: { learningRate: 1e-3, warmupRatio: 0.1 },
        earlyStopping: { metric: 'entityF1', patience: null },
        energy: false,
        seed: 1,
      }).result;
      const mean = (list: number[]) => list.reduce((sum, loss) => sum + loss, 0) / list.length;
      expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) / 3);
      expect(bestScore).toBeGreaterThan(0.3);
      expect(await model.readParameter(frozen)).toEqual(before);
      expect(await model.readParameter(learns)).not.toEqual(other);
    } finally {
      await model.dispose();
    }
  });
});
