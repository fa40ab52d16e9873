#include "model/prefix_rows.h"

#include "core/error.h"
#include "model/encoder.h"

namespace permafrost {

namespace {

int64_t depth_of(const Model& model) {
  const int64_t depth = frozen_prefix(model.parameters);
  check(depth > 0, ErrorCode::INVALID_PLAN, "No layer is in the frozen prefix; it has no rows.");
  return depth;
}

}  // namespace

at::Tensor prefix_rows(Model& model, const PackedBatch& batch, PrefixStore& store) {
  validate(batch, model.config);
  depth_of(model);
  model.round_weights();
  const BatchTensors tensors(batch, position_base(model.config), model.device);
  const at::Tensor rows_TH = model.prefix_of(batch, tensors, store);
  return rows_TH.to(at::kCPU, model.type, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

void keep_prefix_rows(Model& model, const PackedBatch& batch, PrefixStore& store, const std::vector<uint8_t>& bytes) {
  validate(batch, model.config);
  const int64_t depth = depth_of(model);
  const std::vector<int64_t> sizes{static_cast<int64_t>(batch.input_ids.size()), model.config.hidden_size};
  const size_t expected = static_cast<size_t>(sizes[0] * sizes[1]) * c10::elementSize(model.type);
  check(bytes.size() == expected, ErrorCode::INVALID_BATCH, "rows: expected ", expected, " bytes for ", sizes[0],
        " tokens, got ", bytes.size(), ".");
  const at::Tensor rows_TH = at::from_blob(const_cast<uint8_t*>(bytes.data()), sizes, model.type).to(model.device);
  store.write(depth, model.prefix_digests()[static_cast<size_t>(depth)], batch, rows_TH);
}

}  // namespace permafrost
