import { z } from 'zod';
import { PermafrostError } from '../errors/error.js';
import { parseOptions } from '../errors/option-error.js';
import { type OptionShape, optionalShape, pick } from '../errors/option-shape.js';
import { FREEZING_NAMES } from '../freezing/schedule-notation.js';
import { maskingOptimizerShape, maskingShape } from '../training/masking-task.js';
import { courseShape, savingShape, trainingShape } from '../training/settings.js';
import { engineOptionsShape, modelShape, name } from './model-options.js';
import { energyOptionsShape } from './workspace-options.js';

const files = (description: string) =>
  z.array(z.string().min(1)).optional().meta({ description, value: 'files' });

const textShape = {
  /** Files of plain text, a sentence or paragraph a line. */
  text: files('plain text, a sentence or paragraph a line'),
  /** Annotated files, whose words alone are read. */
  data: files('annotated files, whose words alone are read'),
  /** Text or annotated file, as the others are, that the loss is measured on. @default a share of the text */
  validation: name.meta({
    description: 'what the loss is measured on, a file as the others are',
    value: 'file',
  }),
  /** Per cent of the rows that are held out where no validation file is given. @default 5 */
  validationShare: z
    .number()
    .gt(0)
    .lt(100)
    .optional()
    .describe('per cent held out without --validation (default: 5)'),
  /** Column of the word in annotated files, 0-based. @default by the file's form */
  tokenColumn: z.int().nonnegative().optional().describe('column of the word in annotated files, from 0'),
};

const startShape = {
  ...modelShape,
  /** Number of layers of a deeper model, whose layers repeat those of `model` in order. */
  stack: z.int().positive().optional().describe('begin with this many layers, which repeat those of --model'),
  /** How often neighbours must come up to be joined. @default 2 */
  minFrequency: z
    .int()
    .positive()
    .optional()
    .describe('how often neighbours must come up to be joined (default: 2)'),
};

const trainingOptionsShape = {
  /** Notation of a strategy or schedule. @default 'full' */
  freeze: name.meta({
    description: 'full, bottom-up:K, top-down:K, interleaved, only:… (default: full)',
    value: 'strategy',
    suggestions: FREEZING_NAMES,
  }),
  ...optionalShape(courseShape),
  ...optionalShape(maskingShape),
  patience: z
    .int()
    .positive()
    .optional()
    .describe('evaluations without improvement before stopping (default: all epochs)'),
  seed: trainingShape.seed.unwrap().optional().describe(trainingShape.seed.description!),
};

/** Where text, vocabulary and model of a pretraining come from, and how it trains. */
export const pretrainingShape = {
  ...textShape,
  ...startShape,
  ...trainingOptionsShape,
  ...optionalShape(maskingOptimizerShape),
  ...optionalShape(savingShape),
  ...engineOptionsShape,
  ...energyOptionsShape,
};

/** The same by what they are about, in the order of the help. */
export const pretrainingGroups = {
  Text: textShape,
  Model: startShape,
  Training: trainingOptionsShape,
  Optimizer: optionalShape(maskingOptimizerShape),
  'States and logs': optionalShape(savingShape),
  Machine: { ...engineOptionsShape, ...energyOptionsShape },
} satisfies Record<string, OptionShape>;

const pretrainingOptionsSchema = z.strictObject(pretrainingShape);

export type PretrainingOptions = z.infer<typeof pretrainingOptionsSchema>;

/** @throws INVALID_OPTION naming the option, also where two do not go together */
export function parsePretrainingOptions(value: unknown): PretrainingOptions {
  const options = parseOptions(pretrainingOptionsSchema, value, 'pretrain');
  const { text = [], data = [] } = options;
  if (text.length === 0 && data.length === 0) {
    throw invalid(
      'text',
      'No text given: give `text`, files of plain text, or `data`, annotated files whose words alone are read.',
    );
  }
  if (text.length > 0 && data.length > 0) {
    throw invalid('data', '`text` and `data`: give either plain text or annotated files.');
  }
  if (options.validation !== undefined && options.validationShare !== undefined) {
    throw invalid(
      'validationShare',
      '`validationShare` holds out a part of the text, but `validation` gives a file.',
    );
  }
  if (options.model === undefined) {
    if (options.stack === undefined) return options;
    throw invalid('stack', '`stack` repeats the layers of a model: give it with `model`.');
  }
  for (const name of ['shape', 'vocab', 'vocabSize', 'minFrequency'] as const) {
    if (options[name] === undefined) continue;
    throw invalid(
      name,
      `\`${name}\`: \`model\` brings shape and vocabulary with it. Leave out one of the two.`,
    );
  }
  return options;
}

/** What of the options decides the course of the training, as `pretrain` is told it; model and text aside. */
export function pretrainingCourse(options: PretrainingOptions) {
  const { freeze, patience, seed } = options;
  return {
    ...pick({ ...courseShape, ...maskingShape }, options),
    optimizer: pick(maskingOptimizerShape, options),
    ...(freeze !== undefined && { freezing: freeze }),
    ...(patience !== undefined && { earlyStopping: { patience } }),
    ...(seed !== undefined && { seed }),
  };
}

function invalid(option: string, message: string): PermafrostError {
  return new PermafrostError('INVALID_OPTION', message, { option });
}
