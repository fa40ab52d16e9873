// Fine-tunes a model with frozen layers and saves its best weights.
//
//   node examples/train.ts MODEL TRAIN VALIDATION OUT      (Node 22.18 or later runs TypeScript as it is)
import { fileURLToPath } from 'node:url';
import { bottomUp, finetune, labelSet, readSentences, TokenClassifier } from 'permafrost';

export interface TrainPaths {
  /** Directory of a checkpoint as Hugging Face writes it. */
  model: string;
  /** CoNLL columns or JSON lines. */
  train: string;
  validation: string;
  out: string;
}

/** Returns the best epoch and its macro F1. */
export async function main(paths: TrainPaths): Promise<{ epoch: number; score: number }> {
  const train = await readSentences(paths.train);
  const validation = await readSentences(paths.validation);
  const labels = labelSet([...train, ...validation]);
  const model = await TokenClassifier.load(paths.model, { labels });
  try {
    const half = Math.floor(model.config.numLayers / 2);
    const run = finetune({ model, train, validation, freezing: bottomUp(half), epochs: 5, batchSize: 16 });
    for await (const event of run) {
      if (event.type === 'freeze') {
        console.log(`${event.trainableParameters} of ${event.totalParameters} parameters learn`);
      } else if (event.type === 'evaluation') {
        console.log(`epoch ${event.epoch}: macro F1 ${event.metrics.macro.f1.toFixed(4)}`);
      }
    }
    const { bestEpoch, bestScore } = await run.result;
    await model.save(paths.out);
    return { epoch: bestEpoch, score: bestScore };
  } finally {
    await model.dispose();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model, train, validation, out] = process.argv.slice(2);
  if (!model || !train || !validation || !out) throw new Error('Usage: train.ts MODEL TRAIN VALIDATION OUT');
  await main({ model, train, validation, out });
}
