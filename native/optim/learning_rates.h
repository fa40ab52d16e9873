// The learning rate of each weight: the common course, from a peak by its place in the model, with a warm-up of its own
// where it was thawed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/parameters.h"
#include "optim/lr_schedule.h"

namespace permafrost {

struct RateOptions {
  double learning_rate = 3e-5;  // peak
  // Factor from each layer to the one below: the head has 1, layer i of L has d^(L-1-i), the embeddings have d^L.
  double layer_decay = 1;
  std::optional<double> head_learning_rate;  // peak
  Schedule schedule = Schedule::linear;
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
};

// What changes with a plan.
struct TrainingStage {
  int64_t first = 0;       // updates that were done when it began
  int64_t thaw_steps = 0;  // over which the rate of what it thaws rises
  // Updates for which the schedule begins anew, and its warm-up; 0 where it goes on.
  int64_t total_steps = 0;
  int64_t warmup_steps = 0;
};

class LearningRates {
 public:
  LearningRates(const Parameters& parameters, const RateOptions& options);

  // Of the update behind `updates` others: the rate before factors, and that of each group of weights.
  double common_at(int64_t updates) const { return learning_rate_at(course_, learning_rate_, updates); }
  std::vector<double> at(int64_t updates) const;
  // The group of each parameter, in the order of stored(). Groups differ in peak or warm-up.
  const std::vector<size_t>& groups() const { return group_of_; }

  // `thawed`, `learns`: for each parameter, in the order of stored().
  void begin_stage(const TrainingStage& stage, const std::vector<bool>& thawed, const std::vector<bool>& learns);

 private:
  struct Group {
    double peak;
    // The warm-up of what was thawed; no steps where it is over, or never was.
    int64_t thawed_at = 0;
    int64_t thaw_steps = 0;
    bool operator==(const Group& other) const {
      return peak == other.peak && thawed_at == other.thawed_at && thaw_steps == other.thaw_steps;
    }
  };
  void regroup();

  const double learning_rate_;
  Course course_;
  std::vector<Group> wanted_;  // of each parameter
  std::vector<Group> groups_;
  std::vector<size_t> group_of_;
};

}  // namespace permafrost
