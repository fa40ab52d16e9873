import type { Architecture } from './architectures.js';

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
