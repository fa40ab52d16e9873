import { PermafrostError } from '../errors/error.js';
import { SHAPES } from '../experiment/shape.js';
import { TokenClassifier } from '../model/token-classifier.js';
import type { MatmulFacts } from '../native/addon.js';

/** What multiplies the matrices of a model of bert-base's widths on all cores of this CPU; measured where it is not known yet. */
export async function chosenMatmul(): Promise<MatmulFacts | { problem: string } | null> {
  const { hiddenSize, numHeads, intermediateSize } = SHAPES['bert-base']!;
  const config = {
    hiddenSize,
    numHeads,
    intermediateSize,
    vocabSize: 8,
    numLayers: 1,
    maxPositions: 8,
    labels: ['O'],
  };
  try {
    const model = await TokenClassifier.create(config, { device: 'cpu' });
    try {
      return (await model.deviceFacts()).matmul;
    } finally {
      await model.dispose();
    }
  } catch (error) {
    if (!(error instanceof PermafrostError)) throw error;
    return { problem: error.message };
  }
}
