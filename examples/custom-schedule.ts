// A schedule of one's own: the head learns first, then one more layer from the top with each epoch.
//
// Everything is done with the parts that `finetune` is made of: a plan, a trainer, packed batches.
import {
  encodeDataset,
  evaluate,
  type FreezePlan,
  LabelSet,
  packExamples,
  type Sentence,
  type TokenClassifier,
} from 'permafrost';

export interface ScheduleOptions {
  model: TokenClassifier;
  train: Sentence[];
  validation: Sentence[];
  batchSize?: number;
  learningRate?: number;
}

export interface ScheduledEpoch {
  /** Encoder layers that learned. */
  learning: number;
  loss: number;
  macroF1: number;
}

/** Trains `numLayers + 1` epochs and yields each. */
export async function* gradualUnfreezing(options: ScheduleOptions): AsyncGenerator<ScheduledEpoch> {
  const { model, train, validation, batchSize = 16, learningRate = 3e-5 } = options;
  const { tokenizer, config } = model;
  if (tokenizer === null) throw new Error('The model has no tokenizer beside its weights.');
  const dataset = encodeDataset(train, tokenizer, new LabelSet(model.labels));
  const trainer = await model.trainer({ learningRate });

  for (let learning = 0; learning <= config.numLayers; learning++) {
    // What is thawed starts with a fresh optimizer state; what stays frozen keeps its bytes.
    await model.freeze(topLayersLearn(config.numLayers, learning));
    const losses: number[] = [];
    for (let start = 0; start < dataset.size; start += batchSize) {
      const length = Math.min(batchSize, dataset.size - start);
      const indices = Array.from({ length }, (_, i) => start + i);
      const { loss } = await trainer.step(packExamples(dataset, indices));
      losses.push(loss);
    }
    const { metrics } = await evaluate({ model, sentences: validation });
    const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    yield { learning, loss, macroF1: metrics.macro.f1 };
  }
}

function topLayersLearn(numLayers: number, learning: number): FreezePlan {
  return { embeddings: true, layers: Array.from({ length: numLayers }, (_, i) => i < numLayers - learning) };
}
