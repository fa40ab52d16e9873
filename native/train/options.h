// What a training is told, and what each of its steps tells.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "freezing/prefix_store.h"
#include "ops/token_loss.h"
#include "optim/optimizer.h"

namespace permafrost {

class GraphRecorder;

struct TrainerOptions : OptimizerOptions {
  int64_t gradient_accumulation = 1;
  // Parts that every batch comes in on all ranks together, whose gradients are summed in one order; 0: one a rank.
  int64_t gradient_shards = 0;
  uint64_t seed = 42;
  bool frozen_dropout = true;
  TokenLossOptions loss = {};
  // On a card: whether steps are recorded as graphs, and how many may be launched before a loss is read back.
  bool graphs = true;
  int64_t read_back_every = 8;
  // What records them; null: the card's own.
  std::shared_ptr<GraphRecorder> recorder = nullptr;
  // Takes the way of a card on a CPU, too, which then computes the same.
  bool launch_ahead_on_cpu = false;
};

struct StepOptions {
  // Updates with what was accumulated so far.
  bool update_now = false;
  // Where the outputs of the frozen prefix come from, with frozen dropout off.
  PrefixStore* store = nullptr;
  // Computes the whole last layer for tokens without a label, too, whose output goes nowhere. On a CPU it is left out
  // otherwise.
  bool every_token = false;
  // Bits that all ranks shall know.
  uint32_t flags = 0;
};

// What this rank trains on in a step: its share of the batch, or those of the shards that are its own. A share may be
// without sequences where there are others.
struct Shares {
  Shares(PackedBatch batch) : batches{std::move(batch)} {}
  Shares(std::vector<PackedBatch> shards, int64_t first) : batches(std::move(shards)), first(first) {}

  std::vector<PackedBatch> batches;
  int64_t first = -1;  // number of the first shard; -1: a batch that comes in none
};

struct StepResult {
  double loss;
  double grad_norm;  // before clipping; meaningless where not updated
  double learning_rate;  // common to all weights; some may have a share of it
  int64_t tokens;    // of all ranks, as what follows
  int64_t labelled;
  double weight;     // of those, by which the loss is their mean: their number where all count alike
  bool updated;
  uint32_t flags;    // raised by any rank
};

}  // namespace permafrost
