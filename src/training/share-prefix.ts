import type { PackedBatch } from '../contract/packed-batch.js';
import { shareBatches } from '../evaluation/share-batches.js';
import type { EncoderModel } from '../model/encoder-model.js';
import type { PrefixStore } from '../model/prefix-store.js';
import type { Ranks } from './ranks.js';

/**
 * Computes the outputs of the frozen prefix for batches, each rank those of its part, and gives every rank all of them: an
 * example is in the share of another rank in every epoch. Does nothing alone, where a step computes what it lacks, nor
 * where a rank has not the room for all, which computes what it lacks, too.
 *
 * @throws RANK_FAILED
 */
export async function sharePrefix(
  model: EncoderModel,
  store: PrefixStore,
  batches: Iterable<PackedBatch>,
  ranks: Ranks,
): Promise<void> {
  if (ranks.group === null || !(await ranks.gather(store.holdsAll)).every(Boolean)) return;
  const all = [...batches];
  for (let at = 0; at < all.length; at += ranks.size) {
    const window = all.slice(at, at + ranks.size);
    const rows = await shareBatches(window, ranks, (batch) => model.prefixRows(batch, store));
    for (const [rank, batch] of window.entries())
      if (rank !== ranks.rank) await model.keepPrefixRows(batch, store, rows[rank]!);
  }
}
