import type { PackedBatch } from '../contract/packed-batch.js';
import type { Peers } from '../contract/peers.js';
import { bytesOf } from '../io/bytes-of.js';
import type { Predictions, PredictOptions } from '../model/encoder-model.js';
import type { MaskedLanguageModel } from '../model/masked-language-model.js';
import type { TokenClassifier } from '../model/token-classifier.js';

/**
 * What peers answer on each of some batches, dealt out one by one: the first batch to rank 0, the next one to rank 1.
 * All have all answers, which are those of one process, as each batch is answered as a whole.
 *
 * @param answer as bytes, which later lie at an offset that any typed array may begin at.
 */
export async function shareBatches<Batch>(
  batches: readonly Batch[],
  peers: Peers,
  answer: (batch: Batch) => Promise<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { rank, size } = peers;
  const gathered = await peers.gatherBytes(async () => {
    const own = batches.filter((_, i) => i % size === rank);
    const parts = await Promise.all(own.map(answer));
    const lengths = parts.map(({ length }) => bytesOf(Uint32Array.of(length)));
    return Buffer.concat(parts.flatMap((part, i) => [lengths[i]!, part]));
  });
  const at = new Array<number>(size).fill(0);
  return batches.map((_, i) => {
    const [bytes, start] = [gathered[i % size]!, at[i % size]!];
    const length = new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(0, true);
    at[i % size] = start + LENGTH_BYTES + length;
    return new Uint8Array(bytes.subarray(start + LENGTH_BYTES, start + LENGTH_BYTES + length));
  });
}

const LENGTH_BYTES = 4;

/**
 * `model.predictWithLoss` with peers: predictions, loss and scores of all batches on each of them. Where scores are asked
 * for, the predictions are left out.
 */
export async function predictShared(
  model: TokenClassifier,
  batches: readonly PackedBatch[],
  peers: Peers,
  { scored, ...options }: PredictOptions,
): Promise<Predictions> {
  const items = batches.map((batch, i) => ({ batch, scored: scored?.[i] }));
  const answers = await shareBatches(items, peers, async ({ batch, scored }) => {
    const told = await model.predictWithLoss([batch], { ...options, ...(scored && { scored: [scored] }) });
    const answer = scored ? told.scores[0]! : told.predicted[0]!;
    return Buffer.concat([bytesOf(Float64Array.of(told.lossSum, told.labelled)), bytesOf(answer)]);
  });
  const { lossSum, labelled } = sumOf(answers);
  return {
    predicted: scored ? [] : answers.map(({ buffer }) => new Int32Array(buffer, SUM_BYTES)),
    scores: scored ? answers.map(({ buffer }) => new Float32Array(buffer, SUM_BYTES)) : [],
    ...{ loss: lossSum / labelled, lossSum, labelled },
  };
}

/** `model.loss` with peers. */
export async function lossShared(
  model: MaskedLanguageModel,
  batches: readonly PackedBatch[],
  peers: Peers,
  options: { signal?: AbortSignal },
): Promise<{ lossSum: number; labelled: number }> {
  const answers = await shareBatches(batches, peers, async (batch) => {
    const { lossSum, labelled } = await model.loss([batch], options);
    return bytesOf(Float64Array.of(lossSum, labelled));
  });
  return sumOf(answers);
}

/** Two numbers stand first. */
const SUM_BYTES = 16;

/** In the order of the batches, as the engine adds them up. */
function sumOf(answers: readonly Uint8Array<ArrayBuffer>[]): { lossSum: number; labelled: number } {
  let [lossSum, labelled] = [0, 0];
  for (const { buffer } of answers) {
    const [loss, count] = new Float64Array(buffer, 0, 2);
    lossSum += loss!;
    labelled += count!;
  }
  return { lossSum, labelled };
}
