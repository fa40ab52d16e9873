import { z } from 'zod';
import { optionalShape } from '../errors/option-shape.js';
import { engineShape, inferenceShape } from '../model/options.js';
import { SHAPES } from './shape.js';

/** A path, or a name. */
export const name = z.string().min(1).optional();

/** Where and how a model computes, as a command or a workspace is told; nothing given leaves it to the model. */
export const engineOptionsShape = optionalShape(engineShape);

/** The same of a model that is not trained. */
export const inferenceOptionsShape = optionalShape(inferenceShape);

/** Which model a training starts from: a checkpoint, or a fresh one with a vocabulary. */
export const modelShape = {
  /** A Hugging Face model directory, or a model of the Hub: `owner/name[@revision]`. */
  model: name.meta({
    description: 'Hugging Face model directory, or a model of the Hub: owner/name[@revision]',
    value: 'dir',
  }),
  /** Shape of a fresh random model, instead of `model`. */
  shape: name.meta({
    description: `fresh random model: ${Object.keys(SHAPES).join(', ')}, or layers=12,hidden=128,heads=4`,
    value: 'shape',
    suggestions: Object.keys(SHAPES),
  }),
  /** vocab.txt, tokenizer.json or their directory, for `shape`. @default learnt from the training data */
  vocab: name.meta({
    description: 'vocab.txt or tokenizer.json for --shape (default: learnt from the training data)',
    value: 'file',
  }),
  /** Entries of a vocabulary that is learnt. @default 8000 */
  vocabSize: z.int().min(100).optional().describe('entries of a vocabulary that is learnt (default: 8000)'),
  /** @default true for vocab.txt without a tokenizer configuration, as the paper has it */
  lowercase: z.boolean().optional().meta({
    description: 'keep capital letters (default: lower-case, unless the tokenizer says otherwise)',
    negatedBy: 'cased',
  }),
};

/** An option as the command line has it: `--max-length`. */
export function flag(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
