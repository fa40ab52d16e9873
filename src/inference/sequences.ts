import type { PackedBatch } from '../contract/packed-batch.js';
import type { Tokenizer } from '../text/tokenizer.js';
import type { TokenRange } from '../text/windows.js';

/** A range of a text's tokens with the special tokens around it. */
export function sequenceOf(
  inputIds: Int32Array,
  { start, end }: TokenRange,
  { clsId, sepId }: Pick<Tokenizer, 'clsId' | 'sepId'>,
): Int32Array {
  const sequence = new Int32Array(end - start + 2);
  sequence[0] = clsId;
  sequence.set(inputIds.subarray(start, end), 1);
  sequence[end - start + 1] = sepId;
  return sequence;
}

/** Sequences laid end to end. */
export function packSequences(sequences: readonly Int32Array[]): Pick<PackedBatch, 'inputIds' | 'cuSeqlens'> {
  const cuSeqlens = new Int32Array(sequences.length + 1);
  for (const [i, sequence] of sequences.entries()) cuSeqlens[i + 1] = cuSeqlens[i]! + sequence.length;
  const inputIds = new Int32Array(cuSeqlens[sequences.length]!);
  for (const [i, sequence] of sequences.entries()) inputIds.set(sequence, cuSeqlens[i]!);
  return { inputIds, cuSeqlens };
}
