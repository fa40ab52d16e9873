// What every part of a forward or backward pass needs to know.
#pragma once

#include "core/buffer_pool.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/parameters.h"
#include "ops/ops.h"
#include "ops/token_loss.h"

namespace permafrost {

// Dropout of one pass; without it (`training` false) every mask is off.
struct DropoutPass {
  bool training = false;
  uint64_t seed = 0;
  uint32_t pass = 0;
  // The same number on the device, where a recorded step reads it anew; null: `pass`.
  const uint32_t* device_pass = nullptr;
};

// Places where dropout acts. Each layer has three, or four with disentangled attention; the embeddings and the head have one.
enum class DropoutPlace : uint32_t {
  embeddings = 0,
  head = 1,
  attention = 2,
  attention_output = 3,
  output = 4,
  relative = 5
};

struct RelativePass;

struct PassContext {
  const EncoderConfig& config;
  Ops& ops;
  BufferPool& buffers;
  const BatchTensors& batch;
  DropoutPass dropout;
  // Whether gradients are added to what earlier micro-batches left.
  bool accumulate = false;
  // Whether a sentence's rows have the same bits in every batch, so that those kept of a frozen prefix are those that
  // would be computed again. Libraries multiply faster without.
  bool rows_apart = false;
  // Embeddings of distances, where attention is disentangled.
  const RelativePass* relative = nullptr;
  // How labelled tokens count; all alike where it is null.
  const TokenLoss* loss = nullptr;

  // `labelled_only`: where the rows are those of the labelled tokens, which keep their masks.
  Dropout dropout_at(DropoutPlace place, int64_t layer, double probability, bool labelled_only = false) const {
    if (!dropout.training) return {};
    const auto site = static_cast<uint32_t>(layer + 1) * 8 + static_cast<uint32_t>(place);
    // Rows of distances are the same in every share of a batch.
    const bool by_token = place != DropoutPlace::relative;
    return {probability, dropout.seed, dropout.pass, site, by_token ? batch.mask_rows(labelled_only) : nullptr,
            dropout.device_pass, by_token ? batch.device_mask_rows(labelled_only) : nullptr};
  }

  // The gradient of a parameter that learns, allocated at its first use.
  GradSink sink(Parameter& parameter) const {
    if (!parameter.requires_grad) return {};
    std::vector<int32_t>* rows = parameter.by_rows ? &parameter.grad_rows : nullptr;
    if (!parameter.grad.defined()) {
      parameter.grad = parameter.by_rows ? at::zeros_like(parameter.value) : at::empty_like(parameter.value);
      return {parameter.grad, false, rows};
    }
    return {parameter.grad, accumulate, rows};
  }

  // A buffer of the type that the model computes in.
  at::Tensor empty(at::IntArrayRef sizes) const { return buffers.empty(sizes); }
  // One for what stays exact at any precision: statistics of LayerNorm and softmax, sums that a LayerNorm reads.
  at::Tensor empty_fp32(at::IntArrayRef sizes) const { return buffers.empty(sizes, at::kFloat); }
  int64_t num_tokens() const { return batch.input_ids_T.size(0); }
};

}  // namespace permafrost
