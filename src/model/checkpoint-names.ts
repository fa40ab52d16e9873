import type { Architecture } from './architectures.js';

/** What wrappers of a model put before the name of each of its tensors: data-parallel training, compilation. */
const WRAPPER = /^(?:module\.|_orig_mod\.)+/;
/** Buffers that some versions of Transformers save: numbers of positions, and of the first sentence. */
const BUFFER = /(?:^|\.)(?:position_ids|token_type_ids)$/;

/** The same tensors without the prefix of a wrapper, where all of them have it. */
export function unwrapped(names: readonly string[]): (name: string) => string {
  const isWrapped = names.length > 0 && names.every((name) => WRAPPER.test(name));
  return isWrapped ? (name) => name.replace(WRAPPER, '') : (name) => name;
}

/** Whether a tensor that the model has no place for belongs to the encoder, which then is another one. */
export function isForeign(stored: string, { prefix, unused }: Architecture): boolean {
  if (BUFFER.test(stored) || unused?.test(stored)) return false;
  return stored.startsWith(prefix) || /^(?:embeddings|embeddings_project|encoder|transformer)\./.test(stored);
}

/**
 * The Hugging Face parameter name that a checkpoint's tensor stands for.
 *
 * Checkpoints of a bare encoder lack the family's prefix (`bert.`), and old ones call a LayerNorm's weight and bias
 * `gamma` and `beta`.
 *
 * @param isParameter whether the model has a parameter of that name
 */
export function parameterName(
  stored: string,
  { prefix }: Architecture,
  isParameter: (name: string) => boolean,
): string {
  const modern = stored
    .replace(/LayerNorm\.gamma$/, 'LayerNorm.weight')
    .replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return !isParameter(modern) && isParameter(prefix + modern) ? prefix + modern : modern;
}
