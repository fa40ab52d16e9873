#include "model/model.h"

#include <utility>

#include "core/error.h"
#include "freezing/weight_digests.h"
#include "model/encoder.h"
#include "model/prefix_lookup.h"

namespace permafrost {

namespace {

EncoderConfig validated(const EncoderConfig& config) {
  validate(config);
  return config;
}

void validate_scored(const std::vector<PackedBatch>& batches, const std::vector<std::vector<int32_t>>& scored) {
  check(scored.size() == batches.size(), ErrorCode::INVALID_BATCH, "scored: expected tokens of each of the ",
        batches.size(), " batches, got ", scored.size(), ".");
  for (size_t i = 0; i < batches.size(); ++i) {
    for (const int32_t token : scored[i]) {
      check(token >= 0 && token < batches[i].num_tokens(), ErrorCode::INVALID_BATCH, "scored: token ", token,
            " lies outside batch ", i, " of ", batches[i].num_tokens(), " tokens.");
    }
  }
}

// Scores of some tokens, on the CPU.
at::Tensor scores_of(const PassContext& context, const Head& head, const at::Tensor& hidden_TH,
                     const std::vector<int32_t>& tokens) {
  if (tokens.empty()) return at::empty({0, context.config.num_labels});
  const at::Tensor rows = at::tensor(tokens, at::kInt).to(hidden_TH.device());
  return head.scores(context, hidden_TH.index_select(0, rows)).to(at::kCPU, at::kFloat).contiguous();
}

// Before anything is declared: even the names of too many layers take all memory.
EncoderConfig with_room(const EncoderConfig& config, at::Device device) {
  validate(config);
  if (device.is_cpu()) require_memory(config);
  return config;
}

}  // namespace

DeclaredModel::DeclaredModel(const EncoderConfig& config)
    : config(validated(config)), parameters(this->config), head(make_head(this->config, parameters)) {}

Model::Model(const EncoderConfig& config, at::Device device, Kernels kernels, at::ScalarType precision,
             const ProductSettings& products)
    : config(with_room(config, device)), device(device), precision(precision),
      type(precision == at::kChar ? at::kFloat : precision),
      ops(make_ops(device, kernels, type, this->config.head_size(), products,
                   {this->config.intermediate_size, this->config.hidden_size})),
      buffers(device, type), parameters(config), head(make_head(this->config, parameters)) {
  check(precision != at::kChar || device.is_cpu(), ErrorCode::INVALID_OPTION,
        "precision: 'int8' computes on a CPU, not on ", device.str(), ". Use 'bf16' on a card.");
  parameters.allocate(device);
  Parameter& word = *parameters.embeddings.word;
  word.by_rows = ops->updates_rows() && !word.tied;
}

at::Tensor Model::logits(const PackedBatch& batch) {
  validate(batch, config);
  round_weights();
  const BatchTensors tensors(batch, position_base(config), device);
  const PassContext context = context_of(tensors);
  return head->scores(context, encode(context, parameters, {}, nullptr)).to(at::kCPU, at::kFloat).contiguous();
}

at::Tensor Model::hidden_states(const PackedBatch& batch) {
  validate(batch, config);
  round_weights();
  const BatchTensors tensors(batch, position_base(config), device, labelled_tokens(batch));
  const PassContext context = context_of(tensors);
  std::vector<at::Tensor> outputs;
  EncodeOptions options;
  options.on_output = [&](const at::Tensor& hidden_TH) {
    const at::Tensor rows = tensors.labels_T.defined() ? hidden_TH.index_select(0, tensors.labelled_M) : hidden_TH;
    outputs.push_back(rows.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true));
  };
  encode(context, parameters, options, nullptr);
  return at::stack(outputs).contiguous();
}

LossSum Model::loss(const std::vector<PackedBatch>& batches, const std::function<void()>& stop) {
  for (const PackedBatch& batch : batches) validate(batch, config);
  round_weights();
  LossSum sum;
  for (const PackedBatch& batch : batches) {
    stop();
    const BatchTensors tensors(batch, position_base(config), device, labelled_tokens(batch));
    if (tensors.labelled.empty()) continue;
    const PassContext context = context_of(tensors);
    const bool labelled_only = head->labelled_only(false);
    sum.loss += head->loss(context, encode(context, parameters, {false, labelled_only}, nullptr), labelled_only);
    sum.labelled += static_cast<int64_t>(tensors.labelled.size());
  }
  return sum;
}

Predictions Model::predict(const std::vector<PackedBatch>& batches, PrefixStore* store,
                           const std::function<void()>& stop, const std::vector<std::vector<int32_t>>& scored) {
  for (const PackedBatch& batch : batches) validate(batch, config);
  if (!scored.empty()) validate_scored(batches, scored);
  round_weights();
  Predictions predictions;
  predictions.classes.reserve(batches.size());
  for (size_t i = 0; i < batches.size(); ++i) {
    const PackedBatch& batch = batches[i];
    stop();
    const BatchTensors tensors(batch, position_base(config), device, labelled_tokens(batch));
    const PassContext context = context_of(tensors);
    const at::Tensor prefix_TH = store != nullptr ? prefix_of(batch, tensors, *store) : at::Tensor();
    const at::Tensor hidden_TH = encode(context, parameters, {false, false, prefix_TH}, nullptr);
    if (!scored.empty()) predictions.scores.push_back(scores_of(context, *head, hidden_TH, scored[i]));
    Decoded decoded = head->decode(context, hidden_TH);
    predictions.classes.push_back(std::move(decoded.classes_T));
    predictions.loss.loss += decoded.loss_sum;
    predictions.loss.labelled += static_cast<int64_t>(tensors.labelled.size());
  }
  return predictions;
}

at::Tensor Model::prefix_of(const PackedBatch& batch, const BatchTensors& tensors, PrefixStore& store) {
  const int64_t depth = frozen_prefix(parameters);
  if (depth <= 0) return {};
  return read_or_compute_prefix(context_of(tensors), parameters, depth, {store, prefix_digests(), batch});
}

void Model::take_snapshot(const SnapshotBudget& budget) {
  snapshot_.reset();
  snapshot_ = std::make_unique<Snapshot>(parameters, budget);
}

void Model::restore_snapshot() {
  check(snapshot_ != nullptr, ErrorCode::INVALID_OPTION, "There is no snapshot to restore; take one first.");
  snapshot_->restore(parameters);
  snapshot_.reset();
  weights_changed();
}

const std::vector<WeightDigest>& Model::prefix_digests() {
  const int64_t depth = frozen_prefix(parameters);
  if (prefix_digests_.empty() && depth >= 0) {
    prefix_digests_ = digest_prefixes(parameters, config, depth);
    // Other arithmetic makes other rows.
    const auto arithmetic = static_cast<uint64_t>(precision) * 2 + static_cast<uint64_t>(device.is_cuda());
    const auto reference = static_cast<uint64_t>(at::kFloat) * 2;
    for (WeightDigest& digest : prefix_digests_) digest.low ^= (arithmetic - reference) * 0x9e3779b97f4a7c15ull;
  }
  return prefix_digests_;
}

void Model::weights_changed() {
  prefix_digests_.clear();
  for (Parameter& parameter : parameters.stored()) parameter.packings.reset();
  rounding_due_ = true;
}

void Model::round_weights() {
  if (!rounding_due_) return;
  rounding_due_ = false;
  if (precision == at::kChar) {
    for (Parameter* weight : parameters.linear_maps()) weight->int8 = ops->pack(round_to_int8(weight->value));
  }
  if (type == at::kFloat) return;
  for (Parameter& parameter : parameters.stored()) {
    if (parameter.in_products) parameter.round(type);
  }
}

}  // namespace permafrost
