import type { EncoderConfig } from '../contract/encoder-config.js';
import type { NativeParameter } from '../native/addon.js';
import type { Engine } from '../native/engine.js';
import { architectureOf } from './architectures.js';
import { parameterNames } from './checkpoint-names.js';
import type { HuggingFaceConfig } from './config.js';
import { isLabelHead } from './heads.js';
import { readTensors, type StoredTensor } from './weights/stored-tensor.js';

/**
 * Gives a head for other labels than the checkpoint's the trained rows of every label that both have, whatever their
 * order.
 *
 * @param tensors of the checkpoint.
 * @returns the labels whose rows stay as they are; null where the checkpoint has no row to keep.
 */
export async function keepLabelRows(
  engine: Engine,
  tensors: readonly StoredTensor[],
  parameters: readonly NativeParameter[],
  { huggingFaceConfig, config }: { huggingFaceConfig: HuggingFaceConfig; config: EncoderConfig },
): Promise<{ freshLabels: string[] } | null> {
  const stored = Object.values((huggingFaceConfig.id2label ?? {}) as Record<string, string>);
  const rows = Int32Array.from(stored, (label) => config.labels.indexOf(label));
  if (rows.every((row) => row < 0)) return null;
  const wanted = new Map(parameters.filter(({ name }) => isLabelHead(name)).map((one) => [one.name, one]));
  const architecture = architectureOf(config.modelType, 'config');
  const nameOf = parameterNames(
    tensors.map((tensor) => tensor.name),
    architecture,
    (candidate) => wanted.has(candidate),
  );
  const heads = tensors.flatMap((tensor) => {
    const name = nameOf(tensor.name);
    const parameter = wanted.get(name);
    const [count, ...rest] = tensor.shape;
    const fits = parameter && count === stored.length && String(rest) === String(parameter.shape.slice(1));
    return fits ? [{ ...tensor, name }] : [];
  });
  // A head of another make has rows that mean something else.
  if (heads.length !== wanted.size) return null;
  for await (const [{ name, dtype }, bytes] of readTensors(heads)) {
    await engine.call((native) => native.writeParameter(name, dtype, bytes, rows));
  }
  return { freshLabels: config.labels.filter((label) => !stored.includes(label)) };
}
