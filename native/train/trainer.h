// Training of one model: optimizer, schedule, accumulation, dropout numbering.
#pragma once

#include <cstdint>
#include <vector>

#include "model/batch.h"
#include "model/model.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"

namespace permafrost {

struct TrainerOptions {
  double learning_rate = 3e-5;
  AdamWOptions adamw;
  double max_grad_norm = 1;  // 0: no clipping
  Schedule schedule = Schedule::linear;
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
  int64_t gradient_accumulation = 1;
  uint64_t seed = 42;
  bool frozen_dropout = true;
};

struct StepResult {
  double loss;
  double grad_norm;  // before clipping; meaningless where not updated
  double learning_rate;
  int64_t tokens;
  bool updated;
};

// How far a training has come: what a later trainer needs, beside weights and moments, to go on in its place.
struct TrainerPosition {
  int64_t updates = 0;  // decides the learning rate
  uint32_t passes = 0;  // decides the dropout masks
};

class Trainer {
 public:
  Trainer(Model& model, const TrainerOptions& options);

  // Forward, loss, backward and, on every gradient_accumulation-th call or where `update_now` says so,
  // clipping and update.
  // Throws NON_FINITE, leaving the weights as they were, where loss or gradient is not a number.
  // The outputs of the frozen prefix come from `store` where one is given and frozen dropout is off.
  StepResult step(const PackedBatch& batch, bool update_now, PrefixStore* store = nullptr);

  // L2 norm of the gradient of each named parameter, NaN where it does not learn. Dropout as in a
  // training step; changes neither weights nor optimizer, and drops what was accumulated.
  std::vector<double> gradient_norms(const PackedBatch& batch);

  // Throws INVALID_OPTION between the batches of one update, whose gradients no position holds.
  TrainerPosition position() const;
  void seek(const TrainerPosition& position);

  Optimizer& optimizer() { return optimizer_; }

 private:
  struct Pass {
    double loss_sum;
    int64_t labelled;
  };
  Pass forward_backward(const PackedBatch& batch, double scale, bool accumulate, PrefixStore* store);
  void check_something_learns() const;

  Model& model_;
  TrainerOptions options_;
  Optimizer optimizer_;
  uint32_t passes_ = 0;
  int64_t updates_ = 0;
  int64_t accumulated_batches_ = 0;
  int64_t accumulated_labelled_ = 0;
};

}  // namespace permafrost
