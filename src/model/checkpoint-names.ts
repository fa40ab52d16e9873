import type { Architecture } from './architectures.js';

/** What wrappers of a model put before the name of each of its tensors: data-parallel training, compilation. */
const WRAPPER = /^(?:module\.|_orig_mod\.)+/;
/** Buffers that some versions of Transformers save: numbers of positions, and of the first sentence. */
const BUFFER = /(?:^|\.)(?:position_ids|token_type_ids)$/;
/** Parts of an encoder, which pretrained encoders hold without a prefix. */
const ENCODER_PARTS = /^(?:embeddings|embeddings_project|encoder|transformer)\./;
/** The tensor that every encoder has one of: what precedes its name stands before all of the encoder's. */
const WORD_EMBEDDINGS = 'embeddings.word_embeddings.weight';

/** Whether a tensor that the model has no place for belongs to the encoder, which then is another one. */
export function isForeign(name: string, { prefix, unused }: Architecture): boolean {
  if (BUFFER.test(name) || unused?.test(name)) return false;
  return name.startsWith(prefix) || ENCODER_PARTS.test(name);
}

/**
 * The Hugging Face parameter names that a checkpoint's tensors stand for.
 *
 * Whatever stands before the encoder's names gives way to the family's prefix (`bert.`): nothing, as in a bare encoder,
 * or what the model was a part of (`module.`, `model.bert.`, `0.auto_model.`, `bert.` for a RoBERTa). Old checkpoints
 * call a LayerNorm's weight and bias `gamma` and `beta`.
 *
 * @param names of all tensors of the checkpoint
 * @param isParameter whether the model has a parameter of that name
 */
export function parameterNames(
  names: readonly string[],
  { prefix }: Architecture,
  isParameter: (name: string) => boolean,
): (stored: string) => string {
  const root = encoderRoot(names, prefix);
  const isOwn = root.endsWith(prefix);
  // What the whole model was wrapped by stands before the head, too.
  const wrapper = isOwn ? root.slice(0, -prefix.length) : (WRAPPER.exec(root)?.[0] ?? '');
  return (stored) => {
    const name = stored
      .replace(/LayerNorm\.gamma$/, 'LayerNorm.weight')
      .replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
    if (root === '') return !isParameter(name) && isParameter(prefix + name) ? prefix + name : name;
    if (!isOwn && name.startsWith(root)) return prefix + name.slice(root.length);
    return name.startsWith(wrapper) ? name.slice(wrapper.length) : name;
  };
}

/** What stands before the names of the encoder's tensors. */
function encoderRoot(names: readonly string[], prefix: string): string {
  const roots = names
    .filter((name) => name === WORD_EMBEDDINGS || name.endsWith(`.${WORD_EMBEDDINGS}`))
    .map((name) => name.slice(0, -WORD_EMBEDDINGS.length));
  const own = roots.filter((root) => root.endsWith(prefix));
  const [only, ...others] = own.length > 0 ? own : roots;
  if (only !== undefined && others.length === 0) return only;
  const wrappers = names.map((name) => WRAPPER.exec(name)?.[0] ?? '');
  const wrapper = wrappers.every((one) => one === wrappers[0]) ? (wrappers[0] ?? '') : '';
  return names.some((name) => name.startsWith(wrapper + prefix)) ? wrapper + prefix : wrapper;
}
