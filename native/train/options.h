// What a training is told, and what each of its steps tells.
#pragma once

#include <cstdint>

#include "freezing/prefix_store.h"
#include "ops/token_loss.h"
#include "optim/optimizer.h"

namespace permafrost {

struct TrainerOptions : OptimizerOptions {
  int64_t gradient_accumulation = 1;
  uint64_t seed = 42;
  bool frozen_dropout = true;
  TokenLossOptions loss = {};
  // On a card: whether steps are recorded as graphs, and how many may be launched before a loss is read back.
  bool graphs = true;
  int64_t read_back_every = 8;
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
};

struct StepResult {
  double loss;
  double grad_norm;  // before clipping; meaningless where not updated
  double learning_rate;  // common to all weights; some may have a share of it
  int64_t tokens;
  int64_t labelled;  // of all ranks
  double weight;     // of those, by which the loss is their mean: their number where all count alike
  bool updated;
};

}  // namespace permafrost
