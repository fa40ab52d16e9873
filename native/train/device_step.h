// A training step that is launched ahead of the device: nothing of it waits for a result.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "device/staging.h"
#include "device/step_graph.h"
#include "train/options.h"
#include "train/accumulation.h"
#include "train/step.h"

namespace permafrost {

// What varies from step to step.
struct LaunchedStep {
  const PackedBatch& batch;
  PrefixStore* store;
  DropoutPass dropout;
  const BatchShare& share;
  const std::vector<double>& rates;
};

class DeviceStep {
 public:
  // `why_no_graphs`: why steps are not to be recorded, whatever the device says; empty where they may be.
  DeviceStep(Model& model, Optimizer& optimizer, Accumulation& accumulation, const TokenLoss& loss,
             const TrainerOptions& options,
             const std::string& why_no_graphs);
  ~DeviceStep();

  // Launches the step over the batch, filled up to its bucket; the loss and, where it updates, the norm can be read
  // back, and behind them whether the update fits, where that was in doubt.
  Readback launch(const LaunchedStep& step);

  // Gives up what a step that failed may have left half done, and all memory that can be given back.
  void recover();

  size_t graphs() const { return graphs_ ? graphs_->size() : 0; }
  // Why steps are not recorded; empty where they are.
  const std::string& why_no_graphs() const { return why_no_graphs_; }

 private:
  struct Inputs;
  void follow_layout();
  Inputs& inputs_of(const Bucket& bucket, size_t num_rates);
  void run(const Bucket& bucket, const LaunchedStep& step, const std::function<void()>& body);
  // Defined where it was in doubt whether the update fits.
  at::Tensor compute(Inputs& inputs, const BatchTensors& tensors, const LaunchedStep& step);

  Model& model_;
  Optimizer& optimizer_;
  Accumulation& accumulation_;
  const TokenLoss& loss_;
  const bool frozen_dropout_;
  Staging staging_;
  std::map<Bucket, std::unique_ptr<Inputs>> inputs_;
  std::unique_ptr<StepGraphs> graphs_;
  std::string why_no_graphs_;
  uint64_t layout_ = 0;
};

}  // namespace permafrost
