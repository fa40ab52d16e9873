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
