// Gradients on their way to an update: of one batch or several, of one rank or several.
#pragma once

#include <cstdint>

#include "model/head.h"
#include "optim/optimizer.h"
#include "distributed/collective.h"

namespace permafrost {

// What one batch contributes to an update.
struct BatchShare {
  int64_t labelled = 0;   // tokens of all ranks
  double weight = 0;      // of those tokens, over which its loss is the mean: their number where all count alike
  double loss_scale = 1;  // of the gradients of its summed losses
  bool adds = false;      // to gradients that are there
  bool updates = false;   // whether it is the last before the update
  double mean_scale = 1;  // brings what was accumulated to its mean, at the update
};

class Accumulation {
 public:
  Accumulation(Parameters& parameters, Optimizer& optimizer, Collective& collective, int64_t batches);

  // Counts in a batch of so many labelled tokens and of their weight. Throws INVALID_BATCH where no rank has any.
  BatchShare add(int64_t labelled, double weight, bool update_now);
  // A batch by itself, whose gradients are looked at and not used. Drops what was accumulated.
  BatchShare look(int64_t labelled, double weight);
  // The next batch begins afresh.
  void drop();

  // Sums of all ranks: of a loss, and of the gradients of all weights that learn.
  StepNumber over_ranks(const StepNumber& loss_sum);
  void sum_gradients();
  // Sums up over the ranks and updates: see Optimizer::update and, where all numbers are on the device, update_on_device.
  struct Update {
    StepNumber norm;
    StepNumber fits{1};
  };
  Update update(const StepNumber& loss_sum, const StepNumber& mean_scale, const UpdateRates& rates);

  // Batches that wait for their update.
  int64_t waiting() const { return waiting_; }

 private:
  Parameters& parameters_;
  Optimizer& optimizer_;
  Collective& collective_;
  const int64_t batches_;
  int64_t waiting_ = 0;
  double weight_ = 0;
};

}  // namespace permafrost
