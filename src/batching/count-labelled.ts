import { IGNORED_LABEL, type PackedBatch } from '../contract/packed-batch.js';

/** Tokens of a batch that have a label; 0 where it has none. */
export function countLabelled({ labels }: PackedBatch): number {
  return labels?.reduce((count, label) => count + Number(label !== IGNORED_LABEL), 0) ?? 0;
}
