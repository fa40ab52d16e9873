import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encodeDataset, LabelSet, packExamples } from '../../src/entries/data.js';
import { bottomUp, full, TokenClassifier, Tokenizer } from '../../src/index.js';
import { describeShared, sharedPath } from '../helpers/shared.js';
import { maxDifference, ragged } from '../helpers/tensors.js';

describeShared('a training run of 60 steps on real sentences against the Hugging Face Trainer', () => {
  const folder = sharedPath('fixtures', 'run');
  const json = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
  const strategies: Record<string, ReturnType<typeof full>> = {
    none: full(),
    'bottom-up-0': bottomUp(0),
    'bottom-up-2': bottomUp(2),
  };

  it.each(Object.keys(strategies))('has the same loss at every step: %s', async (name) => {
    const expected = json('expected.json');
    const testCase = (
      expected.cases as {
        name: string;
        losses: number[];
        lrs: number[];
        grad_norms_before_clipping: number[];
      }[]
    ).find((c) => c.name === name)!;
    const model = await TokenClassifier.load(folder);
    try {
      await model.freeze(strategies[name]!.plan(model.config.numLayers));
      const trainer = await model.trainer({
        learningRate: 5e-4,
        weightDecay: 0,
        maxGradNorm: 1,
        schedule: 'linear',
        totalSteps: 60,
      });
      const losses: number[] = [];
      for (const batch of json('batches.json')) losses.push((await trainer.step(ragged(batch))).loss);
      expect(losses).toHaveLength(60);
      expect(maxDifference(losses, testCase.losses)).toBeLessThan(1e-5);
    } finally {
      await model.dispose();
    }
  });

  it('makes exactly the batches of the fixture from the sentences', async () => {
    const config = json('config.json');
    const labels = new LabelSet(Object.values(config.id2label as Record<string, string>));
    const tokenizer = await Tokenizer.load(folder, { lowercase: true });
    const sentences = readFileSync(`${folder}/sentences.jsonl`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const dataset = encodeDataset(sentences, tokenizer, labels, { maxLength: 128 });
    for (const [b, batch] of json('batches.json').entries()) {
      const packed = packExamples(
        dataset,
        batch.input_ids.map((_: unknown, i: number) => 16 * b + i),
      );
      expect([...packed.inputIds], `batch ${b}`).toEqual(batch.input_ids.flat());
      expect([...packed.labels!], `batch ${b}`).toEqual(batch.labels.flat());
    }
  });
});
