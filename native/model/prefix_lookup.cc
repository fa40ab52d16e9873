#include "model/prefix_lookup.h"

#include <algorithm>
#include <optional>

#include "model/embeddings.h"
#include "model/layer.h"
#include "model/relative_positions.h"

namespace permafrost {

namespace {

// The given sequences of a batch as a batch of their own.
PackedBatch select(const PackedBatch& batch, const std::vector<int64_t>& sequences) {
  PackedBatch selected;
  selected.cu_seqlens.push_back(0);
  for (const int64_t s : sequences) {
    const auto begin = batch.input_ids.begin() + batch.cu_seqlens[s];
    const auto end = batch.input_ids.begin() + batch.cu_seqlens[s + 1];
    selected.input_ids.insert(selected.input_ids.end(), begin, end);
    selected.cu_seqlens.push_back(static_cast<int32_t>(selected.input_ids.size()));
    selected.examples.push_back(batch.examples[s]);
  }
  return selected;
}

// The layers from one depth to another, dropout off. Rows are kept where the store wants them, and of the last depth.
at::Tensor compute(const PassContext& outer, const Parameters& parameters, at::Tensor hidden_TH, int64_t from, int64_t to,
                   const PackedBatch& batch, const PrefixLookup& lookup) {
  PassContext context = outer;
  std::optional<RelativePass> relative;
  if (parameters.relative.embeddings != nullptr) {
    relative = relative_pass(context, parameters.relative);
    context.relative = &*relative;
  }
  const auto keep = [&](int64_t reached) {
    if (reached == to || lookup.store.wants(reached)) {
      lookup.store.write(reached, lookup.digests[static_cast<size_t>(reached)], batch, hidden_TH);
    }
  };
  if (from < 0) {
    hidden_TH = embed(context, parameters.embeddings, nullptr);
    keep(0);
  }
  for (int64_t layer = std::max<int64_t>(from, 0); layer < to; ++layer) {
    hidden_TH = layer_forward(context, parameters.layers[static_cast<size_t>(layer)], layer, hidden_TH, nullptr);
    keep(layer + 1);
  }
  lookup.store.round(hidden_TH);
  return hidden_TH;
}

// Rows of a depth for the sequences of a batch. Those that are not there are computed from the depth below that is kept,
// where its rows are exact, so that deeper ones take no more than the difference; else from the ids, so that rounded rows
// do not depend on what else is kept.
at::Tensor rows_at(const PassContext& context, const Parameters& parameters, int64_t depth, const PackedBatch& batch,
                   const PrefixLookup& lookup, bool is_asked_for) {
  PrefixStore& store = lookup.store;
  at::Tensor hidden_TH = context.empty({context.num_tokens(), context.config.hidden_size});
  const std::vector<int64_t> missing = store.read(depth, lookup.digests[static_cast<size_t>(depth)], batch, hidden_TH);
  const auto misses = static_cast<int64_t>(missing.size());
  if (is_asked_for) store.count(batch.num_sequences() - misses, misses);
  if (missing.empty()) return hidden_TH;

  const PackedBatch absent = select(batch, missing);
  const BatchTensors tensors(absent, context.batch.position_base, context.batch.input_ids_T.device());
  const PassContext absent_context{context.config, context.ops, context.buffers, tensors, {}, false, true};
  const int64_t below = store.keeps_exactly(hidden_TH.scalar_type()) ? store.below(depth, lookup.digests) : -1;
  const at::Tensor below_TH =
      below >= 0 ? rows_at(absent_context, parameters, below, absent, lookup, false) : at::Tensor();
  const at::Tensor computed_TH = compute(absent_context, parameters, below_TH, below, depth, absent, lookup);
  for (size_t i = 0; i < missing.size(); ++i) {
    const int64_t begin = batch.cu_seqlens[missing[i]];
    const int64_t end = batch.cu_seqlens[missing[i] + 1];
    hidden_TH.slice(0, begin, end).copy_(computed_TH.slice(0, absent.cu_seqlens[i], absent.cu_seqlens[i + 1]));
  }
  return hidden_TH;
}

}  // namespace

at::Tensor read_or_compute_prefix(const PassContext& context, const Parameters& parameters, int64_t depth,
                                  const PrefixLookup& lookup) {
  return rows_at(context, parameters, depth, lookup.batch, lookup, true);
}

}  // namespace permafrost
