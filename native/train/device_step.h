// A training step that is launched ahead of the device: nothing of it waits for a result.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "device/staging.h"
#include "device/step_graph.h"
#include "freezing/prefix_store.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "train/buckets.h"

namespace permafrost {

struct DeviceStepOptions {
  bool graphs = true;
  GraphBounds bounds;
  double max_grad_norm = 1;
  bool frozen_dropout = true;
  uint64_t seed = 0;
};

// What varies from step to step.
struct LaunchedStep {
  const PackedBatch& batch;
  PrefixStore* store;
  uint32_t pass;
  bool accumulate;     // adds to the gradients that are there
  bool update;         // clips and updates
  double loss_scale;   // of the gradients of the summed losses
  double mean_scale;   // brings accumulated gradients to their mean, at the update
  double learning_rate;
};

// Loss summed over labelled tokens, and the norm of the gradients where the step updates.
struct StepNumbers {
  double loss_sum;
  double grad_norm;
};

class DeviceStep {
 public:
  DeviceStep(Model& model, Optimizer& optimizer, const DeviceStepOptions& options);
  ~DeviceStep();

  // Launches forward, loss, backward and update over the batch, filled up to its bucket.
  Readback launch(const LaunchedStep& step);
  static StepNumbers numbers(const Readback& readback);

  // Gives up what a step that failed may have left half done, and all memory that can be given back.
  void recover();

  size_t graphs() const { return graphs_ ? graphs_->size() : 0; }
  // Why steps are not recorded; empty where they are.
  const std::string& why_no_graphs() const { return why_no_graphs_; }

 private:
  struct Inputs;
  Inputs& inputs_of(const Bucket& bucket);
  void compute(Inputs& inputs, const BatchTensors& tensors, const LaunchedStep& step);
  void read_prefix(Inputs& inputs, const LaunchedStep& step);
  void run(const Bucket& bucket, const LaunchedStep& step, const std::function<void()>& body);

  Model& model_;
  Optimizer& optimizer_;
  const DeviceStepOptions options_;
  Staging staging_;
  std::map<Bucket, std::unique_ptr<Inputs>> inputs_;
  std::unique_ptr<StepGraphs> graphs_;
  std::string why_no_graphs_;
  uint64_t layout_ = 0;
};

}  // namespace permafrost
