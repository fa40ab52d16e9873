import { existsSync } from 'node:fs';
import { PermafrostError } from '../errors/error.js';
import { attemptWrite, writeAll, writeFileWith } from '../io/atomic-write.js';
import type { EncoderModel } from '../model/encoder-model.js';
import { readSafetensors, safetensorsHeader } from '../model/safetensors.js';
import { STATE_KINDS, type Trainer } from '../model/trainer.js';
import { readTensors, type StoredTensor } from '../model/weights/stored-tensor.js';
import type { MatmulFacts } from '../native/addon.js';
import type { Progress } from './progress.js';

// One safetensors file: weights, moments and sums of gradients as tensors, all else as JSON among its notes.

type Kind = (typeof STATE_KINDS)[number];

interface SavedState<Scores> {
  /** All that decides the training; see `identityOf`. */
  identity: object;
  progress: Progress<Scores>;
  /** What the bits of the rest depend on beside the identity, and may differ; states of earlier versions lack it. */
  arithmetic?: Arithmetic;
}

/** Threads and the library of products of a CPU; null on a card. */
export type Arithmetic = Pick<MatmulFacts, 'library' | 'threads'> | null;

interface Position {
  updates: number;
  passes: number;
  /** Updates of each parameter that has moments. */
  steps: Record<string, number>;
}

/** A state that was read: what it says, and the tensors that wait in its file. */
export interface StoredState<Scores> extends SavedState<Scores> {
  position: Position | null;
  tensors: StoredTensor[];
}

/**
 * Replaces the state of a training that goes on, as a whole: killed at any time, it leaves one that is whole. The engine
 * must be at rest; what waits for its update is left out.
 *
 * @param names parameters that learn, or have learnt under an earlier plan; all others are as they were in the beginning.
 * @throws WRITE_FAILED
 */
export async function writeState<Scores>(
  file: string,
  { model, trainer, names }: { model: EncoderModel; trainer: Trainer; names: ReadonlySet<string> },
  saved: SavedState<Scores>,
): Promise<void> {
  const steps = await trainer.momentSteps();
  const sums = trainer.tracksGradientL1 ? await trainer.gradientSums() : new Map<string, number>();
  const isKept = (kind: Kind, name: string) =>
    kind === 'weight' || (kind === 'gradientSum' ? sums : steps).has(name);
  const tensors = model
    .parameters()
    .filter(({ name }) => names.has(name))
    .flatMap(({ name, shape, count }) => {
      const kinds = STATE_KINDS.filter((kind) => isKept(kind, name));
      return kinds.map((kind) => ({ kind, parameter: name, name: `${kind}/${name}`, shape, count }));
    });
  const position: Position = { ...(await trainer.position()), steps: Object.fromEntries(steps) };
  const header = safetensorsHeader(tensors, 'F32', { trainState: JSON.stringify({ ...saved, position }) });
  await writeFileWith(file, async (handle) => {
    await attemptWrite(file, () => writeAll(handle, header));
    await trainer.dumpState(handle.fd, tensors);
  });
}

/** The same for a training whose last step is done, and which needs no weights but the best. @throws WRITE_FAILED */
export async function writeFinalState<Scores>(file: string, saved: SavedState<Scores>): Promise<void> {
  const header = safetensorsHeader([], 'F32', { trainState: JSON.stringify({ ...saved, position: null }) });
  await writeFileWith(file, (handle) => attemptWrite(file, () => writeAll(handle, header)));
}

/**
 * Reads what a state says, or null where there is no such file.
 *
 * @throws WEIGHTS_FORMAT where the file is damaged
 */
export async function readState<Scores>(file: string): Promise<StoredState<Scores> | null> {
  if (!existsSync(file)) return null;
  const { tensors, metadata } = await readSafetensors(file);
  if (metadata.trainState === undefined) throw damaged(file, 'it says nothing of a training');
  try {
    return { ...(JSON.parse(metadata.trainState) as Omit<StoredState<Scores>, 'tensors'>), tensors };
  } catch {
    throw damaged(file, 'what it says of its training is not JSON');
  }
}

/**
 * Puts a model and its trainer where a state has them. The plan must be that of the state: what is frozen takes no
 * moments.
 *
 * @returns names of the parameters that it holds.
 * @throws WEIGHTS_FORMAT where the file is damaged
 */
export async function restoreState(
  file: string,
  model: EncoderModel,
  trainer: Trainer,
  { position, tensors }: Pick<StoredState<unknown>, 'position' | 'tensors'>,
): Promise<string[]> {
  const { steps, ...counts } = position!;
  const known = new Set(model.parameters().map(({ name }) => name));
  const names: string[] = [];
  let first: { parameter: string; values: Float32Array } | null = null;
  for await (const [{ name }, bytes] of readTensors(tensors)) {
    const [kind, parameter] = [name.slice(0, name.indexOf('/')) as Kind, name.slice(name.indexOf('/') + 1)];
    if (!STATE_KINDS.includes(kind) || !known.has(parameter)) throw damaged(file, `it holds '${name}'`);
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    if (kind === 'weight') {
      await model.writeParameter(parameter, values);
      names.push(parameter);
    } else if (kind === 'gradientSum') {
      await trainer.writeGradientSum(parameter, values);
    } else if (kind === 'expAvg') {
      first = { parameter, values };
    } else {
      const step = steps[parameter];
      if (first?.parameter !== parameter || step === undefined)
        throw damaged(file, `it lacks a moment of '${parameter}'`);
      await trainer.writeMoments(parameter, { step, expAvg: first.values, expAvgSq: values });
      first = null;
    }
  }
  if (first !== null) throw damaged(file, `it lacks a moment of '${first.parameter}'`);
  await trainer.seek(counts);
  return names;
}

function damaged(file: string, what: string): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} is not a state of a training: ${what}. Begin anew with \`restart: true\`.`,
    { file },
  );
}
