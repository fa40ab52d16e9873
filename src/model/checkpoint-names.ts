/** Tensors that a BERT checkpoint may hold beside those of the model that is loaded. */
const OTHER_HEADS = /^(bert\.pooler\.|pooler\.|cls\.|.*position_ids$)/;

/**
 * The Hugging Face parameter name that a checkpoint's tensor stands for.
 *
 * Checkpoints of a bare encoder lack the prefix `bert.`, and old ones call a LayerNorm's weight and bias
 * `gamma` and `beta`.
 */
export function parameterName(stored: string): string {
  const modern = stored
    .replace(/LayerNorm\.gamma$/, 'LayerNorm.weight')
    .replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|encoder)\./.test(modern) ? `bert.${modern}` : modern;
}

/** Whether a tensor belongs to a head that the model may lack, and may be passed over. */
export function isOtherHead(stored: string): boolean {
  return OTHER_HEADS.test(stored);
}

/** Whether a parameter belongs to a head, which a checkpoint of another kind of model lacks. */
export function isHead(name: string): boolean {
  return isClassifier(name) || name.startsWith('cls.predictions.');
}

/** Whether a parameter belongs to the head whose size follows the labels. */
export function isClassifier(name: string): boolean {
  return name.startsWith('classifier.');
}
