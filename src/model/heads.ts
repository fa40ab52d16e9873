import type { EncoderConfig } from '../contract/encoder-config.js';

interface Head {
  /** Last part of Hugging Face's class of an encoder with this head. */
  className: string;
  /** Whether its classes are the labels of the configuration. */
  hasLabels: boolean;
  /** First parts of its tensors' names. */
  tensors: readonly string[];
  classes(config: EncoderConfig): number;
}

/** First part of the names of what a linear chain has beside its classifier; Transformers passes them over. */
const CHAIN = 'crf.';

/** What may stand on top of an encoder, under the names that the engine knows. */
const HEADS = {
  'token-classification': {
    className: 'ForTokenClassification',
    hasLabels: true,
    tensors: ['classifier.'],
    classes: ({ labels }) => labels.length,
  },
  crf: {
    className: 'ForTokenClassification',
    hasLabels: true,
    tensors: ['classifier.', CHAIN],
    classes: ({ labels }) => labels.length,
  },
  'masked-lm': {
    className: 'ForMaskedLM',
    hasLabels: false,
    tensors: ['cls.predictions.'],
    classes: ({ vocabSize }) => vocabSize,
  },
} satisfies Record<string, Head>;

export type HeadName = keyof typeof HEADS;

export function headOf(name: HeadName): Head {
  return HEADS[name];
}

/** Whether a parameter is one of a linear chain, beside its classifier. */
export function isChain(parameter: string): boolean {
  return parameter.startsWith(CHAIN);
}

/** Whether there is a whole chain among stored tensors, of one number of labels; other models have parts of such names. */
export function hasChain(tensors: readonly { name: string; shape: readonly number[] }[]): boolean {
  const shapeOf = (part: string) => tensors.find(({ name }) => name === `${CHAIN}${part}`)?.shape;
  const size = shapeOf('start_transitions')?.[0];
  const isOfSize = (part: string, ...shape: unknown[]) => String(shapeOf(part)) === String(shape);
  return (
    size !== undefined &&
    isOfSize('start_transitions', size) &&
    isOfSize('transitions', size, size) &&
    isOfSize('end_transitions', size)
  );
}

/** Whether a parameter belongs to a head, which a checkpoint of another kind of model lacks. */
export function isHead(parameter: string): boolean {
  return Object.values<Head>(HEADS).some((head) => has(head, parameter));
}

/** Whether a parameter belongs to a head whose size follows the labels. */
export function isLabelHead(parameter: string): boolean {
  return Object.values<Head>(HEADS).some((head) => head.hasLabels && has(head, parameter));
}

function has({ tensors }: Head, parameter: string): boolean {
  return tensors.some((prefix) => parameter.startsWith(prefix));
}
