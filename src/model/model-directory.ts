import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { attemptWrite, writeAll, writeFileAtomic, writeFileWith } from '../io/atomic-write.js';
import type { NativeParameter } from '../native/addon.js';
import { VOCABULARY_FILES } from '../text/read-tokenizer.js';
import { Tokenizer } from '../text/tokenizer.js';
import { longestSequence } from './architectures.js';
import { type HuggingFaceConfig, toHuggingFace } from './config.js';
import type { HeadName } from './heads.js';
import { safetensorsHeader } from './safetensors.js';

/** How a model is written. */
export interface SaveOptions {
  /** Type of the weights on disk; `fp16` rounds them. @default 'fp32' */
  precision?: 'fp32' | 'fp16';
}

export interface SavedModel {
  head: HeadName;
  config: EncoderConfig;
  /** The configuration that the model was loaded with, whose other fields are kept. */
  huggingFaceConfig: HuggingFaceConfig;
  parameters: readonly NativeParameter[];
  tokenizer: Tokenizer | null;
  /** Appends the parameters' elements to an open file. */
  dump(fd: number, names: readonly string[], dtype: 'F32' | 'F16'): Promise<void>;
}

/** The tokenizer of a model directory, or null where it has none. */
export async function findTokenizer(directory: string, lowercase?: boolean): Promise<Tokenizer | null> {
  const files = VOCABULARY_FILES.map((name) => join(directory, name));
  if (!files.some((file) => existsSync(file))) return null;
  return Tokenizer.load(directory, lowercase === undefined ? {} : { lowercase });
}

/**
 * Writes weights, configuration and tokenizer files, each as a whole. The weights are written first and take their
 * place last: what fails before leaves the directory as it was, and a directory that has weights is complete.
 *
 * @throws WRITE_FAILED
 */
export async function saveModelDirectory(
  directory: string,
  { parameters, dump, ...model }: SavedModel,
  { precision = 'fp32' }: SaveOptions = {},
): Promise<void> {
  const [dtype, name] = precision === 'fp16' ? (['F16', 'float16'] as const) : (['F32', 'float32'] as const);
  const config = toHuggingFace(model.config, model.huggingFaceConfig, { head: model.head, dtype: name });
  const names = parameters.map((parameter) => parameter.name);
  const weights = join(directory, 'model.safetensors');
  await writeFileWith(weights, async (file) => {
    await attemptWrite(weights, () => writeAll(file, safetensorsHeader(parameters, dtype)));
    await dump(file.fd, names, dtype);
    await writeFileAtomic(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
    await model.tokenizer?.save(directory, { maxLength: longestSequence(model.config) });
  });
}
