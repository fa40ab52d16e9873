import type { EncoderConfig } from '../contract/encoder-config.js';
import { PermafrostError } from '../errors/error.js';
import { didYouMean } from '../errors/message.js';
import { faultOf } from '../errors/option-error.js';
import { type ModelShape, modelShapeSchema } from './scenario.js';

const common = { maxPositions: 512, dropout: 0.1 };

/** Shapes with a name. `mini` has the depth of bert-base, so that every k of the paper's grid exists, and `small` that of real small encoders. */
export const SHAPES: Readonly<Record<string, ModelShape>> = {
  tiny: { numLayers: 4, hiddenSize: 64, numHeads: 2, intermediateSize: 256, ...common },
  mini: { numLayers: 12, hiddenSize: 128, numHeads: 4, intermediateSize: 512, ...common },
  small: { numLayers: 12, hiddenSize: 384, numHeads: 12, intermediateSize: 1536, ...common },
  'bert-base': { numLayers: 12, hiddenSize: 768, numHeads: 12, intermediateSize: 3072, ...common },
  'bert-large': { numLayers: 24, hiddenSize: 1024, numHeads: 16, intermediateSize: 4096, ...common },
};

const FIELDS: Readonly<Record<string, keyof ModelShape>> = {
  layers: 'numLayers',
  hidden: 'hiddenSize',
  heads: 'numHeads',
  intermediate: 'intermediateSize',
  positions: 'maxPositions',
  dropout: 'dropout',
};

/**
 * Reads a shape: a name, or `layers=12,hidden=128,heads=4,intermediate=512` (also `positions`, `dropout`).
 *
 * What a list leaves out: `intermediate` is 4 × `hidden`, `positions` 512, `dropout` 0.1.
 *
 * @throws INVALID_OPTION listing the names and fields that exist.
 */
export function parseShape(text: string): ModelShape {
  if (Object.hasOwn(SHAPES, text)) return SHAPES[text]!;
  if (!text.includes('=')) {
    const meant = didYouMean(text, Object.keys(SHAPES));
    throw invalid(
      text,
      meant ? `there is no such shape; did you mean "${meant}"?` : 'there is no such shape.',
    );
  }
  const fields: Partial<Record<keyof ModelShape, number>> = {};
  for (const item of text.split(',')) {
    const [name = '', value = ''] = item.split('=').map((part) => part.trim());
    if (!Object.hasOwn(FIELDS, name))
      throw invalid(text, `"${name}" is none of ${Object.keys(FIELDS).join(', ')}.`);
    fields[FIELDS[name]!] = value === '' ? Number.NaN : Number(value);
  }
  const missing = ['layers', 'hidden', 'heads'].filter((name) => fields[FIELDS[name]!] === undefined);
  if (missing.length > 0) throw invalid(text, `${missing.join(' and ')} missing.`);
  return checkShape(text, { intermediateSize: 4 * fields.hiddenSize!, ...common, ...fields });
}

function checkShape(text: string, shape: unknown): ModelShape {
  const result = modelShapeSchema.safeParse(shape, { reportInput: true });
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const field = Object.keys(FIELDS).find((name) => FIELDS[name] === issue.path[0]);
    throw invalid(text, `${field}: ${faultOf(issue)}.`);
  }
  if (result.data.hiddenSize % result.data.numHeads !== 0) {
    throw invalid(
      text,
      `hidden (${result.data.hiddenSize}) is no multiple of heads (${result.data.numHeads}).`,
    );
  }
  return result.data;
}

function invalid(text: string, reason: string): PermafrostError {
  return new PermafrostError(
    'INVALID_OPTION',
    `\`shape\` "${text}": ${reason} Give a name (${Object.keys(SHAPES).join(', ')}) or a list such as ` +
      '"layers=12,hidden=128,heads=4,intermediate=512".',
    { option: 'shape', got: text },
  );
}

/** The configuration of a BERT of that shape for a vocabulary and a label set. */
export function encoderConfigOf(
  shape: ModelShape,
  vocabSize: number,
  padTokenId: number,
  labels: string[],
): EncoderConfig {
  return {
    modelType: 'bert',
    vocabSize,
    embeddingSize: shape.hiddenSize,
    hiddenSize: shape.hiddenSize,
    numLayers: shape.numLayers,
    numHeads: shape.numHeads,
    intermediateSize: shape.intermediateSize,
    maxPositions: shape.maxPositions,
    typeVocabSize: 2,
    hiddenAct: 'gelu',
    layerNormEps: 1e-12,
    hiddenDropout: shape.dropout,
    attentionDropout: shape.dropout,
    classifierDropout: shape.dropout,
    padTokenId,
    initializerRange: initializerRangeOf(shape.hiddenSize),
    relativePositions: null,
    labels,
  };
}

/**
 * BERT draws with a deviation of 0.02 at a hidden size of 768. A narrower layer sums fewer terms: the same
 * deviation would make its outputs smaller, and twelve layers then hardly begin to learn.
 */
function initializerRangeOf(hiddenSize: number): number {
  return 0.02 * Math.sqrt(Math.max(1, 768 / hiddenSize));
}
