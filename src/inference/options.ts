import { z } from 'zod';
import { parseOptions } from '../errors/option-error.js';
import { optionalShape } from '../errors/option-shape.js';
import { type Decoding, decodingShape } from '../evaluation/decoding.js';
import type { LoadOptions } from '../model/options.js';
import { AGGREGATION_STRATEGIES, type AggregationStrategy } from './entity.js';

/**
 * What is a word, and how texts longer than the model are put together.
 *
 * - `whole-words`: words as the tokenizer numbers them, windows cut between words, each word scored in the window in
 *   which it has more context, offsets without white space and with the marks that belong to the last letter
 * - `huggingface`: word for word what Hugging Face's pipeline does, with its faults; for comparison with it
 */
export type TaggingRules = 'whole-words' | 'huggingface';

/** How a tagger reads texts and answers. */
export interface TaggerOptions {
  /** @default 'first', since training labels a word's first token */
  aggregation?: AggregationStrategy;
  /**
   * How the scores of words become labels: each word's by itself, or those of a text that are likeliest together and
   * well-formed; for the strategies of whole words. The scores of a chain's entities are the probabilities that it gives.
   * @default as the model was measured in training; else 'viterbi' for a chain and 'argmax' for other heads
   */
  decoding?: Decoding;
  /** @default 'whole-words' */
  rules?: TaggingRules;
  /** Labels (`none`) or types (all other strategies) that are left out. @default ['O'] */
  ignoreLabels?: readonly string[];
  /** Least score of an entity; others are left out. @default 0 */
  minScore?: number;
  /** Tokens that the model sees at once, special tokens included. @default what the model was trained with, else 128 or its positions if fewer */
  maxLength?: number;
  /** Tokens that neighbouring windows of a longer text share. @default a quarter of `maxLength` */
  overlap?: number;
  /** Most tokens of a batch. @default 4096 */
  maxBatchTokens?: number;
  /** Milliseconds that a call waits for others while the model is idle; 0 for those of the same moment only. @default 0 */
  maxWaitMs?: number;
  /** Calls that may be open at once; one more is refused with QUEUE_FULL. @default 1024 */
  maxQueue?: number;
}

/** Options of `Tagger.load`: those of the tagger and of its model. */
export interface TaggerLoadOptions extends TaggerOptions, Omit<LoadOptions, 'labels' | 'seed' | 'head'> {
  /** Whether `load` ends with a first run, so that no call pays for it. @default true */
  warmUp?: boolean;
}

/** Options of one call of a tagger. */
export interface TagOptions {
  /** Overrides the tagger's. */
  aggregation?: AggregationStrategy;
  ignoreLabels?: readonly string[];
  minScore?: number;
  signal?: AbortSignal;
}

const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal');
export const aggregationSchema = z.enum(
  AGGREGATION_STRATEGIES as [AggregationStrategy, ...AggregationStrategy[]],
);

/** What decides which entities are told. */
export const answerShape = {
  /** Least score of an entity, which is left out below it, and its words are `O`. @default 0 */
  minScore: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('least score of an entity; others are left out, and their words O'),
};

/** What is told of a word beside its tag. */
export const wordAnswerShape = {
  /** The probability of its tag. @default false */
  scores: z.boolean().default(false).describe('tells the probability of the tag of each word'),
  /** So many of its likeliest tags, with their probabilities. @default none */
  alternatives: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('tells so many of the likeliest tags of each word'),
};

const answerSchema = z.strictObject({ ...answerShape, ...wordAnswerShape });

/** What is told beside tags and types. @throws INVALID_OPTION */
export function parseAnswerOptions(options: z.input<typeof answerSchema>, where: string) {
  return parseOptions(answerSchema, options, where);
}

const taggerFields = {
  aggregation: aggregationSchema.default('first'),
  ...decodingShape,
  rules: z.enum(['whole-words', 'huggingface']).default('whole-words'),
  ignoreLabels: z.array(z.string()).readonly().default(['O']),
  ...answerShape,
  maxLength: z.int().min(3).optional(),
  overlap: z.int().min(0).optional(),
  maxBatchTokens: z.int().positive().default(4096),
  maxWaitMs: z.number().min(0).max(60_000).default(0),
  maxQueue: z.int().positive().default(1024),
};

const taggerSchema = z.strictObject(taggerFields);
const tagSchema = z.strictObject({
  aggregation: aggregationSchema.optional(),
  ignoreLabels: z.array(z.string()).readonly().optional(),
  ...optionalShape(answerShape),
  signal: signal.optional(),
});

export type ParsedTaggerOptions = z.output<typeof taggerSchema>;

/** @throws INVALID_OPTION */
export function parseTaggerOptions(options: TaggerOptions): ParsedTaggerOptions {
  return parseOptions(taggerSchema, options, 'Tagger');
}

/** @throws INVALID_OPTION */
export function parseTagOptions(options: TagOptions) {
  return parseOptions(tagSchema, options, 'tag');
}

/** Divides the options of `Tagger.load` between the tagger and the model. */
export function splitLoadOptions({ warmUp = true, ...options }: TaggerLoadOptions) {
  const entries = Object.entries(options);
  const isTaggers = ([name]: [string, unknown]) => name in taggerFields;
  return {
    warmUp,
    tagger: Object.fromEntries(entries.filter(isTaggers)) as TaggerOptions,
    model: Object.fromEntries(entries.filter((entry) => !isTaggers(entry))) as LoadOptions,
  };
}
