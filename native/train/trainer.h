// Training of one model: optimizer, schedule, accumulation, dropout numbering.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/device_step.h"

namespace permafrost {

// How far a training has come: what a later trainer needs, beside weights and moments, to go on in its place.
struct TrainerPosition {
  int64_t updates = 0;  // decides the learning rate
  uint32_t passes = 0;  // decides the dropout masks
};

// What gradients of several batches, B of them, have of a parameter; NaN where it does not learn.
struct GradientMoments {
  double mean_squared_norm = 0;     // (1 / B) sum ||g_b||^2
  double squared_norm_of_mean = 0;  // ||(1 / B) sum g_b||^2
};

class Trainer {
 public:
  // Ranks train as one trainer would on all their shares of a batch together, and make the same calls. Dropout masks are
  // those of the whole batch where its shares have rows and the device draws masks by them; else each share has its own.
  // A rank that leaves a call halfway, by whatever failure that the others do not share, cannot take part in another:
  // from then on its calls throw RANK_FAILED, and the others' do once it has left the collective.
  Trainer(Model& model, const TrainerOptions& options,
          std::shared_ptr<Collective> collective = std::make_shared<Alone>());

  // Forward, loss, backward and, on every gradient_accumulation-th call or where `update_now` says so,
  // clipping and update.
  // Throws NON_FINITE, leaving the weights as they were, where loss, gradient or an updated weight is not finite. A call
  // that fails drops what was accumulated.
  StepResult step(const Shares& shares, const StepOptions& options = {}) { return launch(shares, options)(); }

  // The same in two parts: what is returned waits for the device and gives the result, or throws NON_FINITE. On a CPU
  // everything is done at once. On a card later steps may have been launched by then, from the weights before the bad
  // step, which changed none.
  std::function<StepResult()> launch(const Shares& shares, const StepOptions& options = {});

  // Says which batches are to come, where steps are launched ahead: see DeviceStep. Throws INVALID_BATCH for a shape that
  // no batch has.
  void expect(std::vector<BatchShape> shapes);

  // Number of launched steps whose results may be waited for.
  int64_t read_back_every() const { return device_step_ ? options_.read_back_every : 1; }
  // Null where steps are not launched ahead.
  const DeviceStep* device_step() const { return device_step_.get(); }

  // L2 norm of the gradient of each named parameter, NaN where it does not learn. Dropout as in a
  // training step; changes neither weights nor optimizer, and drops what was accumulated.
  std::vector<double> gradient_norms(const Shares& shares);

  // The same over several batches, of each named parameter: how much of its gradients they have in common. Between
  // batches `stop` may ask to give up, by throwing.
  std::vector<GradientMoments> gradient_moments(const std::vector<Shares>& batches,
                                                const std::function<void()>& stop);

  // As of the last update: batches that wait for theirs are not counted, as weights and moments have not moved since.
  TrainerPosition position() const;
  // Drops what was accumulated.
  void seek(const TrainerPosition& position);

  // Gives every rank the weights of rank 0, and with `state` also moments, sums of gradients and position. Drops what was
  // accumulated.
  void broadcast(bool state);

  // Begins a stage, behind the change of the plan; `first` is negative where it begins behind the last update.
  void begin_stage(TrainingStage stage);

  Optimizer& optimizer() { return optimizer_; }
  // Brings all weights up to date. To be called before anything but a step of this trainer reads them.
  void settle() { optimizer_.settle(); }

 private:
  // A share that passes run over.
  struct Leaf {
    const PackedBatch* batch;
    std::vector<int32_t> labelled;
  };
  // The shares and what is told of them; throws INVALID_BATCH.
  std::vector<Leaf> leaves_of(const Shares& shares, Announcement& own) const;
  // Passes over the leaves, the first of which has this number; returns the sum of all ranks' losses.
  double run_at_once(const std::vector<Leaf>& leaves, int64_t first, const BatchShare& share,
                     const StepOptions& options);
  // Calls body(entered), in which ranks meet; it says when what fails from there on leaves the others waiting.
  template <typename Body>
  auto together(const Body& body);
  // Of leaf number `leaf`, in the pass of the present step.
  DropoutPass dropout_of(const PackedBatch& batch, int64_t leaf) const;
  void check_batch(const PackedBatch& batch) const;
  // What the labelled tokens of a batch count for in its mean loss.
  double weight_of(const PackedBatch& batch, const std::vector<int32_t>& labelled) const;

  Model& model_;
  const TrainerOptions options_;
  const std::shared_ptr<Collective> collective_;
  Optimizer optimizer_;
  Accumulation accumulation_;
  DeviceGenerator generator_;
  const TokenLoss loss_;
  std::unique_ptr<DeviceStep> device_step_;
  // Stands for a share without sequences.
  const PackedBatch filler_;
  uint32_t passes_ = 0;
  int64_t updates_ = 0;
  // Why it can make no more steps; empty where it can.
  std::string why_broken_;
};

}  // namespace permafrost
