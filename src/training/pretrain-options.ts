import { z } from 'zod';
import { parseOptions } from '../errors/option-error.js';
import type { Strategy } from '../freezing/strategy.js';
import { MaskedLanguageModel } from '../model/masked-language-model.js';
import { freezingSchema, type OptimizerOptions, optimizerSchema, signalSchema } from './options.js';

/** Rows of words: sentences, lines or paragraphs. */
export type Text = readonly (readonly string[])[];

export interface PretrainOptions {
  /** Its tokenizer cuts the words into tokens. */
  model: MaskedLanguageModel;
  /** Text to learn from. What is longer than an example is cut into several. */
  train: Text;
  /** Text that the loss is measured on after every epoch. */
  validation: Text;
  /** A strategy, or its notation such as `bottom-up:6`. @default 'full' */
  freezing?: Strategy | string;
  /** Passes over the text. @default 10 */
  epochs?: number;
  /** Tokens a batch, which is filled with whole examples. @default 4096 */
  batchTokens?: number;
  /** Batches that make up one optimizer step. @default 1 */
  gradientAccumulation?: number;
  /** Longest example in tokens, special tokens included. @default 128, or the model's positions if fewer */
  maxLength?: number;
  /** Share of the tokens that are to be predicted. @default 0.15 */
  maskRate?: number;
  /** Hides whole words instead of single tokens. @default false */
  wholeWord?: boolean;
  /** @default learning rate 5e-4, warm-up over 0.06 of the steps, else as in `finetune` */
  optimizer?: OptimizerOptions;
  /**
   * Where the best weights (`best/`, a Hugging Face model directory) and the state to go on from
   * (`last/state.safetensors`) are written. A training that finds a state of its own there goes on from it
   * and ends in the same bits. @default nothing is written
   */
  directory?: string;
  /** Optimizer steps between two states within an epoch; one is written after every epoch in any case. @default 500 */
  saveSteps?: number;
  /** Fixes masks, order and dropout. @default 42 */
  seed?: number;
  /** Stops after the running step; the run rejects with `signal.reason`. */
  signal?: AbortSignal;
}

const text = z.custom<Text>(
  (value) => Array.isArray(value) && value.length > 0 && value.every(Array.isArray),
  'expected at least one row of words',
);

const pretrainSchema = z.strictObject({
  model: z.custom<MaskedLanguageModel>(
    (value) => value instanceof MaskedLanguageModel,
    'expected a MaskedLanguageModel',
  ),
  train: text,
  validation: text,
  freezing: freezingSchema,
  epochs: z.int().positive().default(10),
  batchTokens: z.int().positive().default(4096),
  gradientAccumulation: z.int().positive().default(1),
  maxLength: z.int().min(3).optional(),
  maskRate: z.number().gt(0).lt(1).default(0.15),
  wholeWord: z.boolean().default(false),
  optimizer: z
    .preprocess(
      (given) => ({ learningRate: 5e-4, warmupRatio: 0.06, ...(given as object | undefined) }),
      optimizerSchema,
    )
    .prefault({}),
  directory: z.string().min(1).optional(),
  saveSteps: z.int().positive().default(500),
  seed: z.int().min(0).default(42),
  signal: signalSchema,
});

/** Options with every default in its place. */
export type ParsedPretrainOptions = z.output<typeof pretrainSchema>;

/** @throws INVALID_OPTION naming each option that is wrong; INVALID_PLAN for an unknown notation */
export function parsePretrainOptions(options: PretrainOptions): ParsedPretrainOptions {
  return parseOptions(pretrainSchema, options, 'pretrain');
}
