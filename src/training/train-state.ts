import { existsSync } from 'node:fs';
import { PermafrostError } from '../errors/error.js';
import { writeStreamAtomic } from '../io/atomic-write.js';
import type { EncoderModel } from '../model/encoder-model.js';
import { readSafetensors, readTensors, safetensorsHeader } from '../model/safetensors.js';
import type { Trainer } from '../model/trainer.js';

/** How far a training has come, beside what model and trainer hold. */
export interface SavedProgress<Progress> {
  /** Digest of all that decides the training; a state of another training is refused. */
  digest: string;
  progress: Progress;
}

const KINDS = ['weight', 'expAvg', 'expAvgSq'] as const;
type Kind = (typeof KINDS)[number];

/**
 * Writes weights, moments, the trainer's position and the caller's progress as one file, which is replaced as a
 * whole: a training that is killed at any time leaves a state that is whole. Call it between optimizer steps.
 *
 * @param progress JSON
 * @throws WRITE_FAILED
 */
export async function saveTrainState<Progress>(
  file: string,
  model: EncoderModel,
  trainer: Trainer,
  saved: SavedProgress<Progress>,
): Promise<void> {
  const steps: Record<string, number> = {};
  for (const { name } of model.parameters()) {
    const moments = await trainer.readMoments(name);
    if (moments) steps[name] = moments.step;
  }
  const tensors = model.parameters().flatMap(({ name, shape, count }) => {
    const kinds = name in steps ? KINDS : (['weight'] as const);
    return kinds.map((kind) => ({ kind, parameter: name, name: `${kind}/${name}`, shape, count }));
  });
  const metadata = {
    ...(await trainer.position()),
    steps,
    digest: saved.digest,
    progress: saved.progress,
  };
  async function* content(): AsyncGenerator<Uint8Array> {
    yield safetensorsHeader(tensors, 'F32', { trainState: JSON.stringify(metadata) });
    for (const { kind, parameter } of tensors) {
      const data =
        kind === 'weight'
          ? await model.readParameter(parameter)
          : (await trainer.readMoments(parameter))![kind];
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  }
  await writeStreamAtomic(file, content());
}

/**
 * Puts a model and its trainer into the state of a file.
 *
 * @returns the progress, or null where there is no such file.
 * @throws INVALID_OPTION where the state is that of another training; WEIGHTS_FORMAT where the file is damaged
 */
export async function loadTrainState<Progress>(
  file: string,
  model: EncoderModel,
  trainer: Trainer,
  digest: string,
): Promise<Progress | null> {
  if (!existsSync(file)) return null;
  const { tensors, metadata } = await readSafetensors(file);
  const state = parseMetadata(file, metadata.trainState);
  if (state.digest !== digest) {
    throw new PermafrostError(
      'INVALID_OPTION',
      `${file} is the state of a training with other settings, data or weights. Give the settings that it was ` +
        'started with, another directory, or delete it.',
      { file, expected: digest, got: state.digest },
    );
  }
  const known = new Set(model.parameters().map(({ name }) => name));
  const moments = new Map<string, Partial<Record<Kind, Float32Array>>>();
  for await (const [{ name }, bytes] of readTensors(tensors)) {
    const [kind, parameter] = [name.slice(0, name.indexOf('/')) as Kind, name.slice(name.indexOf('/') + 1)];
    if (!KINDS.includes(kind) || !known.has(parameter)) throw damaged(file, `it holds '${name}'`);
    const values = new Float32Array(Uint8Array.from(bytes).buffer);
    if (kind === 'weight') {
      await model.writeParameter(parameter, values);
      continue;
    }
    const pair = { ...moments.get(parameter), [kind]: values };
    moments.set(parameter, pair);
    const { expAvg, expAvgSq } = pair;
    if (!expAvg || !expAvgSq) continue;
    await trainer.writeMoments(parameter, { step: state.steps[parameter] ?? 0, expAvg, expAvgSq });
    moments.delete(parameter);
  }
  if (moments.size > 0) throw damaged(file, `it lacks a moment of '${[...moments.keys()][0]}'`);
  await trainer.seek(state);
  return state.progress as Progress;
}

interface StateMetadata {
  updates: number;
  passes: number;
  steps: Record<string, number>;
  digest: string;
  progress: unknown;
}

function parseMetadata(file: string, text: string | undefined): StateMetadata {
  if (text === undefined) throw damaged(file, 'it says nothing of a training');
  try {
    return JSON.parse(text) as StateMetadata;
  } catch {
    throw damaged(file, 'what it says of its training is not JSON');
  }
}

function damaged(file: string, what: string): PermafrostError {
  return new PermafrostError(
    'WEIGHTS_FORMAT',
    `${file} is not a state of a training: ${what}. Delete it to start afresh.`,
    { file },
  );
}
