import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PermafrostError } from '../errors/error.js';

/** Names that a message lists. */
const NAMED = 5;

/** Weights in forms that are not read, and what to do about each. */
const OTHER_FORMS: readonly [pattern: RegExp, what: string][] = [
  [
    /\.onnx$/,
    'among several, none of which is called model.onnx or model_quantized.onnx; leave the one to take, or give it that name',
  ],
  [
    /^tf_model\.h5$|^flax_model.*\.msgpack$|\.ckpt(\..*)?$|\.pth?$|\.gguf$/,
    "which is not read here; save the model as safetensors with Transformers' save_pretrained",
  ],
];

/** Nothing is at the place of a model's config.json: why, as far as a look around tells. */
export function missingConfig(file: string, cause: NodeJS.ErrnoException): PermafrostError {
  const directory = dirname(file);
  return new PermafrostError('FILE_NOT_FOUND', whyNoConfig(directory, file, cause), { file }, { cause });
}

function whyNoConfig(directory: string, file: string, { code }: NodeJS.ErrnoException): string {
  const expected = 'Expected the directory of a model with config.json in it';
  if (!existsSync(directory)) {
    const hub = 'A model of the Hub goes by owner/name.';
    return `Cannot read ${file}: there is no directory ${resolve(directory)}. ${expected}. ${hub}`;
  }
  if (!statSync(directory).isDirectory()) {
    return `Cannot read ${file}: ${directory} is a file. ${expected}, such as ${dirname(resolve(directory))}.`;
  }
  if (existsSync(file)) return `Cannot read ${file} (${code}). Check that you may read it.`;
  const below = entriesOf(directory).find((name) => existsSync(join(directory, name, 'config.json')));
  const remedy = below === undefined ? `${expected}.` : `Did you mean ${join(directory, below)}?`;
  return `Cannot read ${file}: ${directory} ${contentOf(directory)}. ${remedy}`;
}

/** A model directory without weights that are read: what it has instead. */
export function missingWeights(directory: string): PermafrostError {
  const names = entriesOf(directory);
  const others = [names, entriesOf(join(directory, 'onnx'))].flat();
  for (const [pattern, what] of OTHER_FORMS) {
    const name = others.find((other) => pattern.test(other));
    if (name === undefined) continue;
    return noWeights(directory, ` It has ${name}, ${what}.`);
  }
  return noWeights(directory, ' Fetch the weights, or name the directory that has them.');
}

function noWeights(directory: string, more: string): PermafrostError {
  return new PermafrostError(
    'FILE_NOT_FOUND',
    `${directory} holds no weights: neither model.safetensors nor pytorch_model.bin, nor an index of either, nor model.onnx.${more}`,
    { directory },
  );
}

/** What a directory holds in place of what was looked for there. */
function contentOf(directory: string): string {
  const names = entriesOf(directory);
  if (names.length === 0) return 'is empty';
  const more = names.length > NAMED ? `, and ${names.length - NAMED} more` : '';
  return `holds only ${names.slice(0, NAMED).join(', ')}${more}`;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    return [];
  }
}
