import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';

const file = z.string().min(1);

/** Where text, vocabulary and model of a pretraining come from. */
export const pretrainingOptionsSchema = z.strictObject({
  /** Files of plain text, a sentence or paragraph a line. */
  text: z.array(file).optional(),
  /** Annotated files, whose words alone are read. */
  data: z.array(file).optional(),
  /** Text or annotated file, as the others are, that the loss is measured on. @default a share of the text */
  validation: file.optional(),
  /** Per cent of the rows that are held out where no validation file is given. @default 5 */
  validationShare: z.number().gt(0).lt(100).optional(),
  /** Column of the word in annotated files, 0-based. @default by the file's form */
  tokenColumn: z.int().nonnegative().optional(),
  /** A Hugging Face model directory to go on from. */
  model: file.optional(),
  /** Number of layers of a deeper model, whose layers repeat those of `model` in order. */
  stack: z.int().positive().optional(),
  /** Shape of a fresh random model, instead of `model`. @default 'mini' */
  shape: z.string().optional(),
  /** vocab.txt, tokenizer.json or their directory, for `shape`. @default learnt from the text */
  vocab: file.optional(),
  /** Entries of a vocabulary that is learnt. @default 8000 */
  vocabSize: z.int().min(100).optional(),
  /** How often neighbours must come up to be joined. @default 2 */
  minFrequency: z.int().positive().optional(),
  /** @default true, or as the tokenizer says */
  lowercase: z.boolean().optional(),
  /** Notation of a strategy. @default 'full' */
  freeze: z.string().optional(),
  epochs: z.int().positive().optional(),
  batchTokens: z.int().positive().optional(),
  gradientAccumulation: z.int().positive().optional(),
  maxLength: z.int().min(3).optional(),
  maskRate: z.number().gt(0).lt(1).optional(),
  wholeWord: z.boolean().optional(),
  learningRate: z.number().positive().optional(),
  warmupRatio: z.number().min(0).max(1).optional(),
  saveSteps: z.int().positive().optional(),
  seed: z.int().nonnegative().optional(),
  device: z.string().optional(),
  threads: z.int().positive().optional(),
  precision: z.enum(['fp32', 'bf16']).optional(),
});

export type PretrainingOptions = z.infer<typeof pretrainingOptionsSchema>;

/** @throws INVALID_OPTION naming the option, also where two do not go together */
export function parsePretrainingOptions(value: unknown): PretrainingOptions {
  const options = parseOptions(pretrainingOptionsSchema, value, 'pretrain');
  const { text = [], data = [] } = options;
  if (text.length === 0 && data.length === 0) {
    throw invalid(
      'text',
      'No text given: give --text FILE ... or, for the words of annotated files, --data FILE ...',
    );
  }
  if (text.length > 0 && data.length > 0) {
    throw invalid('data', '--text and --data: give either plain text or annotated files.');
  }
  if (options.validation !== undefined && options.validationShare !== undefined) {
    throw invalid(
      'validationShare',
      '--validation-share holds out a part of the text, but --validation gives a file.',
    );
  }
  if (options.model === undefined) {
    if (options.stack === undefined) return options;
    throw invalid('stack', '--stack repeats the layers of a model: give it with --model.');
  }
  for (const name of ['shape', 'vocab', 'vocabSize', 'minFrequency'] as const) {
    if (options[name] === undefined) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw invalid(name, `${flag}: --model brings shape and vocabulary with it. Leave out one of the two.`);
  }
  return options;
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
