import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PermafrostError } from '../../errors/error.js';
import { isLfsPointer, LFS_POINTER } from '../../io/git-lfs.js';
import { parseJson } from '../../io/json.js';
import { missingWeights } from '../missing-files.js';
import { readSafetensorsHeader } from '../safetensors.js';
import { readOnnxFile } from './onnx-file.js';
import type { StoredTensor } from './stored-tensor.js';
import { readTorchFile } from './torch-file.js';

/** Forms of weights by the name of their file, the one that is preferred first. */
const FORMS: readonly [file: string, list: (file: string) => Promise<StoredTensor[]>][] = [
  ['model.safetensors', readSafetensorsHeader],
  ['pytorch_model.bin', readTorchFile],
  ['model.onnx', readOnnxFile],
  ['onnx/model.onnx', readOnnxFile],
  ['model_quantized.onnx', readOnnxFile],
  ['onnx/model_quantized.onnx', readOnnxFile],
];

/** Files of weights that are read, the preferred one first; each may be an index of shards instead. */
export const WEIGHT_FILES: readonly string[] = FORMS.map(([file]) => file);

/**
 * Lists the tensors of a model directory, of one file or of the shards that its index names.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT
 */
export async function listCheckpoint(directory: string): Promise<StoredTensor[]> {
  for (const [name, list] of FORMS) {
    const file = join(directory, name);
    if (existsSync(file)) return list(file);
    const index = indexOf(file);
    if (existsSync(index)) return listShards(directory, index, list);
  }
  const [only, ...more] = onnxFiles(directory);
  if (only !== undefined && more.length === 0) return readOnnxFile(only);
  throw missingWeights(directory);
}

/** Packages of embeddings call their file after the model. */
function onnxFiles(directory: string): string[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => name.endsWith('.onnx')).map((name) => join(directory, name));
}

/** The index of a file of weights that is in shards. */
export const indexOf = (file: string) => `${file}.index.json`;

async function listShards(
  directory: string,
  index: string,
  list: (file: string) => Promise<StoredTensor[]>,
): Promise<StoredTensor[]> {
  const map = await readWeightMap(index);
  const tensors: StoredTensor[] = [];
  for (const shard of new Set(Object.values(map))) {
    const stored = await list(join(directory, shard));
    tensors.push(...stored.filter((tensor) => map[tensor.name] === shard));
  }
  const found = new Set(tensors.map((tensor) => tensor.name));
  const lost = Object.keys(map).filter((name) => !found.has(name));
  if (lost.length > 0) {
    throw new PermafrostError(
      'WEIGHTS_FORMAT',
      `${index} places '${lost[0]}' in ${map[lost[0]!]}, which does not hold it.`,
      { missing: lost },
    );
  }
  return tensors;
}

/** The file of each tensor, by the index of a model in shards. @throws WEIGHTS_FORMAT */
export async function readWeightMap(index: string): Promise<Record<string, string>> {
  const text = await readFile(index, 'utf8');
  if (isLfsPointer(text))
    throw new PermafrostError('WEIGHTS_FORMAT', `${index} ${LFS_POINTER}.`, { file: index });
  let content: { weight_map?: unknown } | null;
  try {
    content = parseJson(text) as typeof content;
  } catch (cause) {
    throw new PermafrostError(
      'WEIGHTS_FORMAT',
      `${index} is not JSON: ${(cause as Error).message}. Fetch or save the model again.`,
      { file: index },
      { cause },
    );
  }
  const map = content?.weight_map;
  // A shard lies beside its index; a path to somewhere else is not followed.
  const isName = (shard: unknown) => typeof shard === 'string' && !/[/\\]/.test(shard);
  if (typeof map === 'object' && map !== null && Object.values(map).every(isName))
    return map as Record<string, string>;
  throw new PermafrostError(
    'WEIGHTS_FORMAT',
    `${index}: expected a weight_map from each tensor to the name of a file beside it. Fetch or save the model again.`,
    { file: index },
  );
}
