#include "model/prefix_lookup.h"

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

at::Tensor compute(const PassContext& outer, const Parameters& parameters, int64_t depth, const PackedBatch& batch,
                   const PrefixLookup& lookup) {
  PassContext context = outer;
  std::optional<RelativePass> relative;
  if (parameters.relative.embeddings != nullptr) {
    relative = relative_pass(context, parameters.relative);
    context.relative = &*relative;
  }
  const auto keep = [&](int64_t reached, const at::Tensor& hidden_TH) {
    if (reached == depth || lookup.store.wants(reached)) {
      lookup.store.write(reached, lookup.digests[static_cast<size_t>(reached)], batch, hidden_TH);
    }
  };
  at::Tensor hidden_TH = embed(context, parameters.embeddings, nullptr);
  keep(0, hidden_TH);
  for (int64_t layer = 0; layer < depth; ++layer) {
    hidden_TH = layer_forward(context, parameters.layers[static_cast<size_t>(layer)], layer, hidden_TH, nullptr);
    keep(layer + 1, hidden_TH);
  }
  lookup.store.round(hidden_TH);
  return hidden_TH;
}

}  // namespace

at::Tensor read_or_compute_prefix(const PassContext& context, const Parameters& parameters, int64_t depth,
                                  const PrefixLookup& lookup) {
  at::Tensor hidden_TH = context.empty({context.num_tokens(), context.config.hidden_size});
  const std::vector<int64_t> missing =
      lookup.store.read(depth, lookup.digests[static_cast<size_t>(depth)], lookup.batch, hidden_TH);
  if (missing.empty()) return hidden_TH;

  const PackedBatch absent = select(lookup.batch, missing);
  const BatchTensors tensors(absent, context.batch.position_base, context.batch.input_ids_T.device());
  const PassContext absent_context{context.config, context.ops, context.buffers, tensors, {}, false, true};
  const at::Tensor computed_TH = compute(absent_context, parameters, depth, absent, lookup);
  for (size_t i = 0; i < missing.size(); ++i) {
    const int64_t begin = lookup.batch.cu_seqlens[missing[i]];
    const int64_t end = lookup.batch.cu_seqlens[missing[i] + 1];
    hidden_TH.slice(0, begin, end).copy_(computed_TH.slice(0, absent.cu_seqlens[i], absent.cu_seqlens[i + 1]));
  }
  return hidden_TH;
}

}  // namespace permafrost
