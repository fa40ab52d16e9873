import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadReport } from '../contract/results.js';
import { PermafrostError } from '../errors/error.js';
import { isLfsPointer, LFS_POINTER } from '../io/git-lfs.js';
import { parseJson } from '../io/json.js';
import type { NativeParameter } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import type { Architecture } from './architectures.js';
import { isForeign, parameterName, unwrapped } from './checkpoint-names.js';
import { isChain, isHead, isLabelHead } from './heads.js';
import { missingWeights } from './missing-files.js';
import { readSafetensorsHeader, readTensors, type StoredTensor } from './safetensors.js';

const READABLE_TYPES = new Set(['F32', 'F16', 'BF16']);

/** Which parameter takes which tensor, and what is left over on either side. */
export interface LoadPlan extends LoadReport {
  tensors: StoredTensor[];
}

/**
 * Lists the tensors of a model directory, of one file or of the shards that its index names.
 *
 * @throws FILE_NOT_FOUND, WEIGHTS_FORMAT
 */
export async function listCheckpoint(directory: string): Promise<StoredTensor[]> {
  const single = join(directory, 'model.safetensors');
  if (existsSync(single)) return readSafetensorsHeader(single);
  const index = join(directory, 'model.safetensors.index.json');
  if (!existsSync(index)) throw missingWeights(directory);
  const map = await readWeightMap(index);
  const tensors: StoredTensor[] = [];
  for (const shard of new Set(Object.values(map))) {
    const stored = await readSafetensorsHeader(join(directory, shard));
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

/**
 * Matches tensors with parameters. A head that is missing as a whole is left to be drawn afresh; with `freshHead`
 * the stored one is passed over, too. Other heads and buffers are left out; a tensor of the encoder never is.
 *
 * @throws WEIGHTS_MISMATCH naming the tensor, what was expected and what was found
 */
export function planLoading(
  tensors: readonly StoredTensor[],
  parameters: readonly NativeParameter[],
  architecture: Architecture,
  freshHead: boolean,
): LoadPlan {
  const wanted = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const chosen = new Map<string, StoredTensor>();
  const unused: string[] = [];
  const foreign: string[] = [];
  const plain = unwrapped(tensors.map((tensor) => tensor.name));
  for (const tensor of tensors) {
    const stored = plain(tensor.name);
    const name = parameterName(stored, architecture, (candidate) => wanted.has(candidate));
    const parameter = wanted.get(name);
    if (!parameter || (freshHead && isHead(name))) {
      unused.push(tensor.name);
      if (!parameter && !isHead(stored) && isForeign(stored, architecture)) foreign.push(tensor.name);
      continue;
    }
    checkTensor(tensor, parameter);
    checkNotTwice(chosen.get(name), tensor, name);
    chosen.set(name, tensor);
  }
  const missing = parameters.map((parameter) => parameter.name).filter((name) => !chosen.has(name));
  checkLeftovers(tensors[0]?.file ?? 'The checkpoint', missing, foreign, parameters);
  return {
    tensors: [...chosen.entries()].map(([name, tensor]) => ({ ...tensor, name })),
    fresh: missing,
    unused,
  };
}

/** Copies the planned tensors into the engine. */
export async function loadTensors(engine: Engine, plan: LoadPlan, signal?: AbortSignal): Promise<void> {
  for await (const [tensor, bytes] of readTensors(plan.tensors)) {
    await engine.call((native) => native.writeParameter(tensor.name, tensor.dtype, bytes), signal);
  }
}

function checkTensor(tensor: StoredTensor, parameter: NativeParameter): void {
  const details = { tensor: tensor.name, expected: parameter.shape, found: tensor.shape };
  if (
    tensor.shape.length !== parameter.shape.length ||
    tensor.shape.some((n, i) => n !== parameter.shape[i])
  ) {
    throw new PermafrostError(
      'WEIGHTS_MISMATCH',
      `${tensor.file}: tensor '${tensor.name}' has shape [${tensor.shape}], expected [${parameter.shape}] by config.json. ` +
        (isLabelHead(parameter.name)
          ? 'The head was made for other labels: give the labels of your data to start it afresh.'
          : 'The weights belong to another configuration.'),
      details,
    );
  }
  if (!READABLE_TYPES.has(tensor.dtype)) {
    throw new PermafrostError(
      'WEIGHTS_FORMAT',
      `${tensor.file}: tensor '${tensor.name}' is of type ${tensor.dtype}, expected F32, F16 or BF16.`,
      details,
    );
  }
}

function checkLeftovers(
  file: string,
  missing: string[],
  foreign: string[],
  parameters: readonly NativeParameter[],
): void {
  if (foreign.length > 0) {
    throw new PermafrostError(
      'WEIGHTS_MISMATCH',
      `${file} holds ${countOf(foreign, 'that the model has no place for')}. Does config.json belong to it (number of layers, model_type)?`,
      { unexpected: foreign },
    );
  }
  // A bare encoder has no head at all, and a classifier may be without a chain; half of either is a damaged one.
  const isWhole = (isPart: (name: string) => boolean) =>
    parameters.every(({ name }) => !isPart(name) || missing.includes(name));
  const mayLack = [isHead, isChain].filter(isWhole);
  const lost = missing.filter((name) => !mayLack.some((isPart) => isPart(name)));
  if (lost.length > 0) {
    throw new PermafrostError(
      'WEIGHTS_MISMATCH',
      `${file} lacks ${countOf(lost, 'that the model needs')}. Does config.json belong to it?`,
      { missing: lost },
    );
  }
}

/** `1 tensor …: 'a'` or `3 tensors …, the first 'a'`. */
function countOf(names: readonly string[], which: string): string {
  return names.length === 1
    ? `1 tensor ${which}: '${names[0]}'`
    : `${names.length} tensors ${which}, the first '${names[0]}'`;
}

async function readWeightMap(index: string): Promise<Record<string, string>> {
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

function checkNotTwice(earlier: StoredTensor | undefined, tensor: StoredTensor, name: string): void {
  if (!earlier) return;
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${tensor.file}: both '${earlier.name}' and '${tensor.name}' stand for the parameter '${name}'. Keep one of them.`,
    { tensors: [earlier.name, tensor.name] },
  );
}
