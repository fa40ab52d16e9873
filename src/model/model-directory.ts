import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EncoderConfig } from '../contract/encoder-config.js';
import { writeFileAtomic, writeStreamAtomic } from '../io/atomic-write.js';
import type { NativeHead, NativeParameter } from '../native/addon.js';
import { Tokenizer } from '../text/tokenizer.js';
import { longestSequence } from './architectures.js';
import { type HuggingFaceConfig, toHuggingFace } from './config.js';
import { toHalf } from './half-precision.js';
import { safetensorsHeader } from './safetensors.js';

export interface SaveOptions {
  /** Type of the weights on disk; `fp16` rounds them. @default 'fp32' */
  precision?: 'fp32' | 'fp16';
}

export interface SavedModel {
  head: NativeHead;
  config: EncoderConfig;
  /** The configuration that the model was loaded with, whose other fields are kept. */
  huggingFaceConfig: HuggingFaceConfig;
  parameters: readonly NativeParameter[];
  tokenizer: Tokenizer | null;
  read(name: string): Promise<Float32Array>;
}

/** The tokenizer of a model directory, or null where it has none. */
export async function findTokenizer(directory: string, lowercase?: boolean): Promise<Tokenizer | null> {
  const files = ['tokenizer.json', 'vocab.txt'].map((name) => join(directory, name));
  if (!files.some((file) => existsSync(file))) return null;
  return Tokenizer.load(directory, lowercase === undefined ? {} : { lowercase });
}

/**
 * Writes configuration, weights and tokenizer files, each as a whole.
 *
 * @throws WRITE_FAILED
 */
export async function saveModelDirectory(
  directory: string,
  model: SavedModel,
  { precision = 'fp32' }: SaveOptions = {},
): Promise<void> {
  await writeStreamAtomic(join(directory, 'model.safetensors'), weightChunks(model, precision));
  const config = toHuggingFace(model.config, model.huggingFaceConfig, {
    head: model.head,
    dtype: precision === 'fp16' ? 'float16' : 'float32',
  });
  await writeFileAtomic(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  await model.tokenizer?.save(directory, { maxLength: longestSequence(model.config) });
}

async function* weightChunks(
  { parameters, read }: SavedModel,
  precision: 'fp32' | 'fp16',
): AsyncGenerator<Uint8Array> {
  yield safetensorsHeader(parameters, precision === 'fp16' ? 'F16' : 'F32');
  for (const { name } of parameters) {
    const data = await read(name);
    if (precision === 'fp16') yield toHalf(data);
    else yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}
