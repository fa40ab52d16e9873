#include "model/model.h"

#include <algorithm>

#include "core/error.h"
#include "freezing/weight_digests.h"
#include "model/encoder.h"
#include "model/head.h"

namespace permafrost {

namespace {

EncoderConfig validated(const EncoderConfig& config) {
  validate(config);
  return config;
}

}  // namespace

Model::Model(const EncoderConfig& config, at::Device device, Kernels kernels, at::ScalarType type)
    : config(validated(config)), device(device), type(type), ops(make_ops(device, kernels, type, this->config.head_size())),
      buffers(device, type), parameters(config, device) {
  // A tied decoder reads, and gives a gradient to, every row.
  parameters.embeddings.word->by_rows = ops->updates_rows() && this->config.head != Head::masked_lm;
}

at::Tensor Model::logits(const PackedBatch& batch) {
  validate(batch, config);
  const BatchTensors tensors(batch, position_base(config), device);
  const PassContext context{config, *ops, buffers, tensors, {}, false};
  return head_scores(context, parameters, encode(batch, context, nullptr)).to(at::kCPU, at::kFloat).contiguous();
}

LossSum Model::loss(const std::vector<PackedBatch>& batches, const std::function<void()>& stop) {
  for (const PackedBatch& batch : batches) validate(batch, config);
  LossSum sum;
  for (const PackedBatch& batch : batches) {
    stop();
    const int64_t labelled = count_labelled(batch);
    if (labelled == 0) continue;
    const BatchTensors tensors(batch, position_base(config), device);
    const PassContext context{config, *ops, buffers, tensors, {}, false};
    sum.loss += head_loss(context, parameters, encode(batch, context, nullptr, true), true);
    sum.labelled += labelled;
  }
  return sum;
}

std::vector<std::vector<int32_t>> Model::predict(const std::vector<PackedBatch>& batches, PrefixStore* store,
                                                 const std::function<void()>& stop) {
  for (const PackedBatch& batch : batches) validate(batch, config);
  std::vector<std::vector<int32_t>> predictions;
  predictions.reserve(batches.size());
  for (const PackedBatch& batch : batches) {
    stop();
    const BatchTensors tensors(batch, position_base(config), device);
    const PassContext context{config, *ops, buffers, tensors, {}, false};
    const at::Tensor hidden_TH = encode(batch, context, store);
    std::vector<int32_t> labels_T(batch.input_ids.size());
    // In parts, for the scores of a whole vocabulary are many.
    const int64_t rows = rows_scored_at_once(config);
    for (int64_t begin = 0; begin < batch.num_tokens(); begin += rows) {
      const int64_t end = std::min(begin + rows, batch.num_tokens());
      ops->argmax(head_scores(context, parameters, hidden_TH.slice(0, begin, end)), labels_T.data() + begin);
    }
    predictions.push_back(std::move(labels_T));
  }
  return predictions;
}

void Model::take_snapshot() {
  snapshot_.clear();
  for (Parameter& parameter : parameters.stored()) {
    if (parameter.requires_grad) snapshot_.emplace_back(&parameter, parameter.value.clone());
  }
  has_snapshot_ = true;
}

void Model::restore_snapshot() {
  check(has_snapshot_, ErrorCode::INVALID_OPTION, "There is no snapshot to restore; take one first.");
  for (const auto& [parameter, value] : snapshot_) parameter->value.copy_(value);
  snapshot_.clear();
  has_snapshot_ = false;
  weights_changed();
}

const std::vector<WeightDigest>& Model::prefix_digests() {
  const int64_t depth = frozen_prefix(parameters);
  if (prefix_digests_.empty() && depth >= 0) {
    prefix_digests_ = digest_prefixes(parameters, config, depth);
    // Other arithmetic makes other rows.
    const auto arithmetic = static_cast<uint64_t>(type) * 2 + static_cast<uint64_t>(device.is_cuda());
    const auto reference = static_cast<uint64_t>(at::kFloat) * 2;
    for (WeightDigest& digest : prefix_digests_) digest.low ^= (arithmetic - reference) * 0x9e3779b97f4a7c15ull;
  }
  return prefix_digests_;
}

void Model::weights_changed() {
  prefix_digests_.clear();
  rounding_due_ = true;
}

void Model::round_weights() {
  if (!rounding_due_) return;
  rounding_due_ = false;
  if (type == at::kFloat) return;
  for (Parameter& parameter : parameters.stored()) {
    if (parameter.in_products) parameter.round(type);
  }
}

at::Tensor Model::encode(const PackedBatch& batch, const PassContext& context, PrefixStore* store, bool labelled_only) {
  round_weights();
  if (store == nullptr) return permafrost::encode(context, parameters, false, nullptr, nullptr, labelled_only);
  const PrefixLookup lookup{*store, prefix_digests(), batch};
  return permafrost::encode(context, parameters, false, nullptr, &lookup, labelled_only);
}

}  // namespace permafrost
