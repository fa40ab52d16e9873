import { PermafrostError } from '../errors/error.js';
import { isHead } from './heads.js';
import type { LoadOptions } from './options.js';
import { TokenClassifier } from './token-classifier.js';

/**
 * Loads a model to be used as it is: one whose head was trained.
 *
 * `TokenClassifier.load` draws a head that the checkpoint lacks, for training to begin with; what such a head says of
 * words are random labels.
 *
 * @throws what `TokenClassifier.load` throws; WEIGHTS_MISMATCH where the checkpoint has no head for the labels of tokens
 */
export async function loadTrainedModel(
  directory: string,
  options: LoadOptions = {},
): Promise<TokenClassifier> {
  const model = await TokenClassifier.load(directory, options);
  const drawn = model.loadReport.fresh.filter(isHead);
  if (drawn.length === 0) return model;
  await model.dispose();
  throw untrainedHead(directory, drawn);
}

/** What to throw where a model that is to be used lacks the tensors of its head. */
export function untrainedHead(directory: string, missing: readonly string[]): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${directory} has no trained head for the labels of tokens (${missing.join(', ')}): what it would predict is random. ` +
      `Train it first (permafrost train --model ${directory} …, or finetune) and name the directory best/ that training writes.`,
    { directory, missing },
  );
}
