// Gradients on their way to an update: of one batch or several, of one rank or several.
#pragma once

#include <cstdint>
#include <vector>

#include "distributed/collective.h"
#include "model/head.h"
#include "optim/optimizer.h"
#include "train/announcement.h"
#include "train/gradient_sums.h"

namespace permafrost {

// What one batch contributes to an update, the same on every rank.
struct BatchShare {
  int64_t labelled = 0;   // tokens of all ranks
  int64_t tokens = 0;
  double weight = 0;      // of the labelled ones, over which its loss is the mean: their number where all count alike
  int64_t longest = 0;    // tokens of the longest sequence
  uint32_t flags = 0;     // raised by any rank
  std::vector<int32_t> rows;  // of the table of words that it looks up on any rank, where that learns by rows
  double loss_scale = 1;  // of the gradients of its summed losses
  bool adds = false;      // to gradients that are there
  bool updates = false;   // whether it is the last before the update
  double mean_scale = 1;  // brings what was accumulated to its mean, at the update
};

class Accumulation {
 public:
  // `shards`: the parts that every batch comes in on all ranks together; 0: one a rank. `behind`: see GradientSums.
  struct Options {
    int64_t batches = 1;
    int64_t shards = 0;
    bool behind = true;
  };
  Accumulation(Parameters& parameters, Optimizer& optimizer, Collective& collective, const Options& options);

  // Counts in a batch, of which `own` are this rank's shares. Throws INVALID_BATCH, on every rank, where no rank has a
  // labelled token, and RANK_FAILED.
  BatchShare add(const Announcement& own, bool update_now);
  // A batch by itself, whose gradients are looked at and not used. Drops what was accumulated.
  BatchShare look(const Announcement& own);
  // The next batch begins afresh.
  void drop();

  // The sums of the batch that was counted in last, to which its passes give their gradients.
  GradientSums& sums() { return sums_; }
  // Waits for them and returns the sum of the losses.
  double finish();

  // The same at once, where the loss is on the device and the step launched ahead of it.
  void sum_on_device(const at::Tensor& loss_sum);

  // Number of shares of a batch on all ranks together.
  int64_t leaves() const { return options_.shards > 0 ? options_.shards : collective_.size(); }
  // Batches that wait for their update.
  int64_t waiting() const { return waiting_; }

 private:
  Optimizer& optimizer_;
  Collective& collective_;
  const Options options_;
  GradientSums sums_;
  int64_t waiting_ = 0;
  double weight_ = 0;
  // Of the table of words, of all batches that wait.
  std::vector<int32_t> rows_;
  // What this rank gave to the batch that was counted in last.
  GradientSums::Step step_;
};

}  // namespace permafrost
