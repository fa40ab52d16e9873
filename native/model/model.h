// An encoder with its head on one device, and what it needs to run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/workspace.h"
#include "freezing/prefix_store.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/forward_context.h"
#include "model/parameters.h"
#include "ops/ops.h"

namespace permafrost {

struct LossSum {
  double loss = 0;
  int64_t labelled = 0;
};

struct Model {
  Model(const EncoderConfig& config, at::Device device, Kernels kernels);

  // Scores of each token, [T, labels], on the CPU. Dropout off.
  at::Tensor logits(const PackedBatch& batch);
  // Sum of the cross-entropies of all labelled tokens. Dropout off. Between batches `stop` may ask to give
  // up, by throwing.
  LossSum loss(const std::vector<PackedBatch>& batches, const std::function<void()>& stop);
  // The label of the highest score of each token of each batch. The outputs of the frozen prefix come from
  // `store` where one is given. Between batches `stop` may ask to give up, by throwing.
  std::vector<std::vector<int32_t>> predict(const std::vector<PackedBatch>& batches, PrefixStore* store,
                                            const std::function<void()>& stop);

  // Digests of the frozen prefix at every depth up to its own, computed when first asked for.
  const std::vector<WeightDigest>& prefix_digests();
  // To be called whenever weights or plan were changed by anything but a training step, which leaves the
  // frozen prefix alone.
  void forget_prefix_digests();

  // Copies of all weights that learn, to come back to.
  void take_snapshot();
  // Throws INVALID_OPTION where none was taken.
  void restore_snapshot();

  EncoderConfig config;
  at::Device device;
  std::unique_ptr<Ops> ops;
  Workspace workspace;
  Parameters parameters;

 private:
  at::Tensor encode(const PackedBatch& batch, const PassContext& context, PrefixStore* store);

  std::vector<WeightDigest> prefix_digests_;
  std::vector<std::pair<Parameter*, at::Tensor>> snapshot_;
  bool has_snapshot_ = false;
};

}  // namespace permafrost
