import type { LoadReport } from '../contract/results.js';
import { PermafrostError } from '../errors/error.js';
import type { NativeParameter } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import type { Architecture } from './architectures.js';
import { isForeign, parameterNames } from './checkpoint-names.js';
import { type GrownVocabulary, lacksNewTokens } from './grown-vocabulary.js';
import { isHead, isLabelHead } from './heads.js';
import { readTensors, type StoredTensor } from './weights/stored-tensor.js';

const READABLE_TYPES = new Set(['F32', 'F16', 'BF16']);

/** Which parameter takes which tensor, and what is left over on either side. */
export interface LoadPlan extends LoadReport {
  tensors: StoredTensor[];
  /** Parameters that have rows beyond those of their tensor, for tokens that the checkpoint does not know. */
  grown: string[];
}

/**
 * Matches tensors with parameters. A head that is missing as a whole is left to be drawn afresh; with `freshHead`
 * the stored one is passed over, too. Other heads and buffers are left out; a tensor of the encoder never is.
 *
 * @param options.grown tokens that the checkpoint need have no rows for
 * @throws WEIGHTS_MISMATCH naming the tensor, what was expected and what was found
 */
export function planLoading(
  tensors: readonly StoredTensor[],
  parameters: readonly NativeParameter[],
  architecture: Architecture,
  { freshHead = false, grown = null }: { freshHead?: boolean; grown?: GrownVocabulary | null } = {},
): LoadPlan {
  const wanted = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const chosen = new Map<string, StoredTensor>();
  const unused: string[] = [];
  const foreign: string[] = [];
  const longer: string[] = [];
  const nameOf = parameterNames(
    tensors.map((tensor) => tensor.name),
    architecture,
    (candidate) => wanted.has(candidate),
  );
  for (const tensor of tensors) {
    const name = nameOf(tensor.name);
    const parameter = wanted.get(name);
    if (!parameter || (freshHead && isHead(name))) {
      unused.push(tensor.name);
      if (!parameter && !isHead(name) && isForeign(name, architecture)) foreign.push(tensor.name);
      continue;
    }
    const isLonger = grown !== null && lacksNewTokens(tensor, parameter, grown);
    if (isLonger) longer.push(name);
    checkTensor(tensor, isLonger ? tensor.shape : parameter.shape, name);
    checkNotTwice(chosen.get(name), tensor, name);
    chosen.set(name, tensor);
  }
  const missing = parameters.map((parameter) => parameter.name).filter((name) => !chosen.has(name));
  checkLeftovers(tensors[0]?.file ?? 'The checkpoint', missing, foreign, parameters);
  return {
    tensors: [...chosen.entries()].map(([name, tensor]) => ({ ...tensor, name })),
    fresh: missing,
    unused,
    grown: longer,
  };
}

/** Copies the planned tensors into the engine. */
export async function loadTensors(engine: Engine, plan: LoadPlan, signal?: AbortSignal): Promise<void> {
  const grown = new Set(plan.grown);
  for await (const [{ name, dtype, shape }, bytes] of readTensors(plan.tensors)) {
    const rows = grown.has(name) ? Int32Array.from({ length: shape[0]! }, (_, row) => row) : undefined;
    await engine.call((native) => native.writeParameter(name, dtype, bytes, rows), signal);
  }
}

function checkTensor(tensor: StoredTensor, expected: readonly number[], parameter: string): void {
  const details = { tensor: tensor.name, expected, found: tensor.shape };
  if (tensor.shape.length !== expected.length || tensor.shape.some((n, i) => n !== expected[i])) {
    throw new PermafrostError(
      'WEIGHTS_MISMATCH',
      `${tensor.file}: tensor '${tensor.name}' has shape [${tensor.shape}], expected [${expected}] by config.json. ` +
        (isLabelHead(parameter)
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
  // A bare encoder has no head at all; half a head is a damaged one.
  const isBare = parameters.every(({ name }) => !isHead(name) || missing.includes(name));
  const lost = isBare ? missing.filter((name) => !isHead(name)) : missing;
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

function checkNotTwice(earlier: StoredTensor | undefined, tensor: StoredTensor, name: string): void {
  if (!earlier) return;
  throw new PermafrostError(
    'WEIGHTS_MISMATCH',
    `${tensor.file}: both '${earlier.name}' and '${tensor.name}' stand for the parameter '${name}'. Keep one of them.`,
    { tensors: [earlier.name, tensor.name] },
  );
}
