#include "optim/learning_rates.h"

#include <algorithm>
#include <cmath>

namespace permafrost {

namespace {

// Where a polynomial schedule ends, in Transformers.
constexpr double kPolynomialEnd = 1e-7;

double peak_of(const Parameter& parameter, int64_t num_layers, const RateOptions& options) {
  if (parameter.layer >= num_layers) return options.head_learning_rate.value_or(options.learning_rate);
  return options.learning_rate * std::pow(options.layer_decay, static_cast<double>(num_layers - 1 - parameter.layer));
}

}  // namespace

LearningRates::LearningRates(const Parameters& parameters, const RateOptions& options)
    : learning_rate_(options.learning_rate),
      course_{options.schedule, 0, options.warmup_steps, options.total_steps, kPolynomialEnd / options.learning_rate} {
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  for (const Parameter& parameter : parameters.stored()) wanted_.push_back({peak_of(parameter, num_layers, options)});
  regroup();
}

std::vector<double> LearningRates::at(int64_t updates) const {
  std::vector<double> rates;
  rates.reserve(groups_.size());
  for (const Group& group : groups_) {
    const double rate = learning_rate_at(course_, group.peak, updates);
    const int64_t since = std::max<int64_t>(0, updates - group.thawed_at);
    const bool rises = since < group.thaw_steps;
    rates.push_back(rises ? rate * static_cast<double>(since) / static_cast<double>(group.thaw_steps) : rate);
  }
  return rates;
}

void LearningRates::begin_stage(const TrainingStage& stage, const std::vector<bool>& thawed,
                                const std::vector<bool>& learns) {
  if (stage.total_steps > 0) {
    course_.first = stage.first;
    course_.total_steps = stage.total_steps;
    course_.warmup_steps = stage.warmup_steps;
  }
  for (size_t i = 0; i < wanted_.size(); ++i) {
    Group& group = wanted_[i];
    const bool is_over = !learns[i] || stage.first - group.thawed_at >= group.thaw_steps;
    if (thawed[i] || is_over) group = {group.peak};
    if (thawed[i] && stage.thaw_steps > 0) group = {group.peak, stage.first, stage.thaw_steps};
  }
  regroup();
}

void LearningRates::regroup() {
  groups_.clear();
  group_of_.clear();
  for (const Group& group : wanted_) {
    const auto found = std::find(groups_.begin(), groups_.end(), group);
    group_of_.push_back(static_cast<size_t>(found - groups_.begin()));
    if (found == groups_.end()) groups_.push_back(group);
  }
}

}  // namespace permafrost
