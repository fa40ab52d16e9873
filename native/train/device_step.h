// A training step that is launched ahead of the device: nothing of it waits for a result.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/generator.h"
#include "device/staging.h"
#include "device/step_graph.h"
#include "train/accumulation.h"
#include "train/options.h"
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
  DeviceStep(Model& model, Optimizer& optimizer, Accumulation& accumulation, DeviceGenerator& generator,
             const TokenLoss& loss, const TrainerOptions& options, const std::string& why_no_graphs);
  ~DeviceStep();

  // Says which batches are to come. Before the next step that begins an update their buckets are recorded, the largest
  // first, and again whenever the plan has changed. Recording changes nothing that a step depends on.
  void expect(std::vector<BatchShape> shapes);

  // Launches the step over the batch, filled up to its bucket; the loss and, where it updates, the norm can be read
  // back, and behind them whether the update fits, where that was in doubt.
  Readback launch(const LaunchedStep& step);

  // Gives up what a step that failed may have left half done, and all memory that can be given back. Steps are recorded
  // again when they come again.
  void recover();

  size_t graphs() const { return graphs_ ? graphs_->size() : 0; }
  size_t launches() const { return graphs_ ? graphs_->launches() : 0; }
  // Why steps are not recorded; empty where they are.
  const std::string& why_no_graphs() const { return graphs_ && graphs() == 0 ? graphs_->failure() : why_no_graphs_; }

 private:
  struct Inputs;
  struct Work;
  void follow_layout();
  Inputs& inputs_of(const Bucket& bucket, size_t num_rates);
  std::shared_ptr<Work> work_of(const StepKind& kind, const PackedBatch& filled, const LaunchedStep& step);
  void upload(const Work& work, const PackedBatch& filled, const PrefixStore::DeviceRows& prefix, const BatchShare& share);
  // Records what is expected, on the way to the first step.
  void record_expected(const Bucket& first, const LaunchedStep& step);
  void ready(const Bucket& largest, const LaunchedStep& step);
  void run(const StepKind& kind, const std::shared_ptr<Work>& work, const LaunchedStep& step);
  void compute(Work& work);
  int32_t filler() const { return static_cast<int32_t>(std::max<int64_t>(0, model_.config.pad_token_id)); }

  Model& model_;
  Optimizer& optimizer_;
  Accumulation& accumulation_;
  DeviceGenerator& generator_;
  const TokenLoss& loss_;
  const bool frozen_dropout_;
  const int64_t batches_;  // of an update
  Staging staging_;
  std::map<Bucket, std::unique_ptr<Inputs>> inputs_;
  std::unique_ptr<StepGraphs> graphs_;
  std::string why_no_graphs_;
  std::vector<BatchShape> expected_;
  bool is_recording_due_ = false;
  bool is_ready_ = false;
  uint64_t layout_ = 0;
};

}  // namespace permafrost
