// An encoder with its head on one device, and what it needs to run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer_pool.h"
#include "freezing/prefix_store.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/forward_context.h"
#include "model/head.h"
#include "model/parameters.h"
#include "model/snapshot.h"
#include "ops/ops.h"

namespace permafrost {

struct LossSum {
  double loss = 0;
  int64_t labelled = 0;
};

struct Predictions {
  std::vector<std::vector<int32_t>> classes;
  LossSum loss;
  // Of the tokens that were asked for, [tokens, classes] a batch, on the CPU.
  std::vector<at::Tensor> scores;
};

// The names and shapes of a model's weights, without their memory.
struct DeclaredModel {
  explicit DeclaredModel(const EncoderConfig& config);

  EncoderConfig config;
  Parameters parameters;
  std::unique_ptr<Head> head;
};

struct Model {
  // Throws OUT_OF_MEMORY where the CPU's memory has no room for the weights.
  // `precision`: type of activations and of what matrix products read, fp32 or bf16; or int8 (kChar) for inference on a
  // CPU, where the encoder's linear maps multiply in 8 bits and all else is fp32. Weights are fp32 in any case.
  // `products`: by which library the fused operations of a CPU multiply.
  Model(const EncoderConfig& config, at::Device device, Kernels kernels, at::ScalarType precision = at::kFloat,
        const ProductSettings& products = {});

  // Scores of each token, [T, labels], on the CPU. Dropout off.
  at::Tensor logits(const PackedBatch& batch);
  // Outputs of the embeddings and of each layer, [1 + layers, R, hidden], on the CPU: of the labelled tokens where the
  // batch has labels, else of all. Dropout off.
  at::Tensor hidden_states(const PackedBatch& batch);
  // Sum of the losses of all labelled tokens. Dropout off. Between batches `stop` may ask to give
  // up, by throwing.
  LossSum loss(const std::vector<PackedBatch>& batches, const std::function<void()>& stop);
  // The class that the head gives each token of each batch, and the loss of those that have a label. The outputs of the
  // frozen prefix come from `store` where one is given. `scored`: for each batch the tokens whose scores are wanted, too;
  // empty for none. Between batches `stop` may ask to give up, by throwing.
  Predictions predict(const std::vector<PackedBatch>& batches, PrefixStore* store, const std::function<void()>& stop,
                      const std::vector<std::vector<int32_t>>& scored = {});

  // Digests of the frozen prefix at every depth up to its own, computed when first asked for.
  const std::vector<WeightDigest>& prefix_digests();
  // Output of the frozen prefix for the batch, dropout off, by way of the store; undefined where nothing is frozen.
  at::Tensor prefix_of(const PackedBatch& batch, const BatchTensors& tensors, PrefixStore& store);
  // To be called whenever weights or plan were changed by anything but a training step, which leaves the
  // frozen prefix alone and rounds what it changes.
  void weights_changed();
  // Brings the rounded copies of the weights up to date; to be called before a pass.
  void round_weights();

  // Copies of all weights, in place of earlier ones: see Snapshot, which apply_plan and whoever overwrites a weight
  // tell before.
  void take_snapshot() { take_snapshot(SnapshotBudget::of(device)); }
  void take_snapshot(const SnapshotBudget& budget);
  // Throws INVALID_OPTION where none was taken.
  void restore_snapshot();
  // Null where there is none.
  Snapshot* snapshot() { return snapshot_.get(); }

  EncoderConfig config;
  at::Device device;
  at::ScalarType precision;
  // Of activations.
  at::ScalarType type;
  std::unique_ptr<Ops> ops;
  BufferPool buffers;
  Parameters parameters;
  std::unique_ptr<Head> head;

 private:
  // A pass with dropout off.
  PassContext context_of(const BatchTensors& tensors) { return {config, *ops, buffers, tensors, {}, false}; }

  std::vector<WeightDigest> prefix_digests_;
  std::unique_ptr<Snapshot> snapshot_;
  bool rounding_due_ = true;
};

}  // namespace permafrost
