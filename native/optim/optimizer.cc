#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace permafrost {

namespace {

at::Tensor rows_of(const at::Tensor& table, const std::vector<int32_t>& rows) {
  return table.index_select(0, at::tensor(rows, at::kInt));
}

}  // namespace

Optimizer::Optimizer(Parameters& parameters, Ops& ops, const OptimizerOptions& options)
    : parameters_(parameters), ops_(ops), options_(options), rates_(parameters, options),
      was_frozen_(parameters.stored().size(), false) {
  note_frozen();
}

double Optimizer::gradient_norm() const {
  double sum = 0;
  for (const Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    sum += ops_.squared_norm(parameter.by_rows ? rows_of(parameter.grad, parameter.grad_rows) : parameter.grad);
  }
  return std::sqrt(sum);
}

Optimizer::Update Optimizer::update(const UpdateRates& rates, double mean_scale) {
  const double norm = gradient_norm() * mean_scale;
  const double clip = clip_factor(norm, options_.max_grad_norm);
  if (!std::isfinite(norm)) return {norm};
  if (norm * clip > kLargestGradient || !fits(rates, mean_scale * clip)) return {norm, false};
  auto group = rates_.groups().begin();
  for (Parameter& parameter : parameters_.stored()) {
    const double rate = rates.values[*group++];
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    State& state = begun(parameter);
    if (sums(parameter)) state.gradient_sum.add_(parameter.grad, mean_scale);
    const AdamWStep step = step_of(parameter, rate, mean_scale * clip, ++state.step);
    if (parameter.by_rows) {
      update_rows(parameter, state, step);
    } else {
      ops_.adamw(parameter.value, parameter.grad, state.exp_avg, state.exp_avg_sq, parameter.rounded, step);
    }
    parameter.packings.reset();
  }
  return {norm};
}

AdamWStep Optimizer::step_of(const Parameter& parameter, double learning_rate, double grad_scale, int64_t step) const {
  const auto& [beta1, beta2, eps, weight_decay] = options_.adamw;
  return {learning_rate, beta1, beta2, eps, parameter.decays ? weight_decay : 0, grad_scale, step};
}

bool Optimizer::may_overflow(const std::vector<double>& rates) {
  // A decay between 0 and 1 leaves any weight finite, and so does taking away less than half of the last place of the
  // largest number, 2^103, from it; a factor of two is left for rounding. What is taken away is at most the step size
  // times the largest first moment over epsilon.
  constexpr double kLargestUpdate = 5070602400912917605986812821504.0;  // 2^102
  const auto& [beta1, beta2, eps, weight_decay] = options_.adamw;
  constexpr double kLargestFloat = std::numeric_limits<float>::max();
  if (!(eps <= kLargestFloat)) return true;
  const double smallest_divisor = static_cast<float>(eps);
  const double moment = largest_moment();
  for (const double rate : rates) {
    const double step_size = rate / (1 - beta1);
    const bool is_bounded = step_size <= kLargestFloat && step_size * moment / smallest_divisor < kLargestUpdate;
    if (!is_bounded || !(rate * weight_decay <= 1)) return true;
  }
  return false;
}

double Optimizer::largest_moment() {
  if (largest_moment_) return *largest_moment_;
  const double clip = options_.max_grad_norm;
  double largest = clip > 0 ? std::min(clip, kLargestGradient) : kLargestGradient;
  for (const auto& [parameter, state] : state_) {
    const double found = state.exp_avg.abs().max().item<float>();
    const bool is_square = state.exp_avg_sq.ge(0).all().item<bool>();
    largest = std::isfinite(found) && is_square ? std::max(largest, found) : std::numeric_limits<double>::infinity();
    if (std::isinf(largest)) break;
  }
  largest_moment_ = largest;
  return largest;
}

bool Optimizer::fits(const UpdateRates& rates, double grad_scale) {
  if (!may_overflow(rates.values)) return true;
  settle();
  auto group = rates_.groups().begin();
  for (const Parameter& parameter : parameters_.stored()) {
    const double rate = rates.values[*group++];
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    const auto found = state_.find(&parameter);
    const int64_t step = found == state_.end() ? 1 : found->second.step + 1;
    if (!fits(parameter, step_of(parameter, rate, grad_scale, step))) return false;
  }
  return true;
}

bool Optimizer::fits(const Parameter& parameter, const AdamWStep& step) const {
  // The kernels' constants are fp32.
  const double step_size = step.learning_rate / (1 - std::pow(step.beta1, static_cast<double>(step.step)));
  for (const double constant : {step_size, step.learning_rate * step.weight_decay, step.eps}) {
    if (!(constant <= std::numeric_limits<float>::max())) return false;
  }
  const auto found = state_.find(&parameter);
  at::Tensor value = parameter.value.clone();
  at::Tensor exp_avg = found == state_.end() ? at::zeros_like(value) : found->second.exp_avg.clone();
  at::Tensor exp_avg_sq = found == state_.end() ? at::zeros_like(value) : found->second.exp_avg_sq.clone();
  // Rows without a gradient have one of zero.
  at::Tensor rounded = parameter.rounded.defined() ? at::empty_like(parameter.rounded) : at::Tensor();
  ops_.adamw(value, parameter.grad, exp_avg, exp_avg_sq, rounded, step);
  for (const at::Tensor& x : {rounded.defined() ? rounded : value, exp_avg, exp_avg_sq}) {
    if (!all_finite(x).item<bool>()) return false;
  }
  return true;
}

void Optimizer::begin_stage(const TrainingStage& stage) {
  std::vector<bool> thawed, learns;
  for (const Parameter& parameter : parameters_.stored()) {
    const size_t i = learns.size();
    learns.push_back(parameter.requires_grad);
    thawed.push_back(parameter.requires_grad && was_frozen_[i] && state_.count(&parameter) == 0);
    was_frozen_[i] = !parameter.requires_grad;
  }
  rates_.begin_stage(stage, thawed, learns);
  laid_out_ = false;
  ++layout_;
}

void Optimizer::note_frozen() {
  size_t i = 0;
  for (const Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad) was_frozen_[i] = true;
    ++i;
  }
}

void Optimizer::update_rows(Parameter& parameter, State& state, const AdamWStep& step) {
  // The pass has settled the rows that it read.
  ops_.adamw_rows(parameter.grad_rows, step, parameter.grad, parameter.value, state.exp_avg, state.exp_avg_sq);
  state.done.resize(static_cast<size_t>(parameter.value.size(0)), 0);
  state.pending.push_back(step);
  for (const int32_t row : parameter.grad_rows) state.done[row] = static_cast<int32_t>(state.pending.size());
  // Every pass looks through what is pending.
  constexpr size_t kMostPending = 256;
  if (state.pending.size() >= kMostPending) settle();
}

void Optimizer::settle_rows(const std::vector<int32_t>& ids) {
  for (Parameter& parameter : parameters_.stored()) {
    const auto found = parameter.by_rows ? state_.find(&parameter) : state_.end();
    if (found == state_.end() || found->second.pending.empty()) continue;
    State& state = found->second;
    const auto latest = static_cast<int32_t>(state.pending.size());
    std::vector<int32_t> rows, first;
    for (const int32_t row : ids) {
      if (state.done[row] == latest) continue;
      rows.push_back(row);
      first.push_back(std::exchange(state.done[row], latest));
    }
    ops_.adamw_rows(rows, first, state.pending, parameter.value, state.exp_avg, state.exp_avg_sq);
  }
}

void Optimizer::settle() {
  for (Parameter& parameter : parameters_.stored()) {
    const auto found = parameter.by_rows ? state_.find(&parameter) : state_.end();
    if (found == state_.end() || found->second.pending.empty()) continue;
    State& state = found->second;
    std::vector<int32_t> rows(state.done.size());
    std::iota(rows.begin(), rows.end(), 0);
    ops_.adamw_rows(rows, state.done, state.pending, parameter.value, state.exp_avg, state.exp_avg_sq);
    state.pending.clear();
    std::fill(state.done.begin(), state.done.end(), 0);
  }
}

void Optimizer::abandon() {
  for (auto& entry : state_) entry.second.pending.clear();
}

void Optimizer::drop_frozen() {
  laid_out_ = false;
  ++layout_;
  note_frozen();
  for (auto entry = state_.begin(); entry != state_.end();) {
    entry = entry->first->requires_grad ? std::next(entry) : state_.erase(entry);
  }
}

const Optimizer::State* Optimizer::state_of(const Parameter& parameter) {
  settle();
  const auto found = state_.find(&parameter);
  if (found == state_.end()) return nullptr;
  State& state = found->second;
  if (state.device_step.defined()) state.step = static_cast<int64_t>(state.device_step.item<float>());
  return &state;
}

Optimizer::State& Optimizer::begin_state(const Parameter& parameter) {
  settle();
  State& state = begun(parameter);
  // The caller may set the number of updates, from which the device's is made afresh.
  state.device_step.reset();
  largest_moment_.reset();
  laid_out_ = false;
  ++layout_;
  return state;
}

void Optimizer::forget(const Parameter& parameter) {
  state_.erase(&parameter);
  laid_out_ = false;
  ++layout_;
}

Optimizer::State& Optimizer::begun(const Parameter& parameter) {
  State& state = state_[&parameter];
  if (!state.exp_avg.defined()) {
    state.exp_avg = at::zeros_like(parameter.value);
    state.exp_avg_sq = at::zeros_like(parameter.value);
    if (sums(parameter)) state.gradient_sum = at::zeros_like(parameter.value);
  }
  return state;
}

bool Optimizer::sums(const Parameter& parameter) const {
  return options_.sums_gradients && parameter.layer >= 0 &&
         parameter.layer < static_cast<int64_t>(parameters_.layers.size());
}

void Optimizer::require_sums() const {
  check(options_.sums_gradients, ErrorCode::INVALID_OPTION,
        "This trainer does not sum up gradients; make it with `trackGradientL1: true`.");
}

std::vector<double> Optimizer::take_gradient_l1() {
  require_sums();
  std::vector<double> norms(parameters_.layers.size(), 0.0);
  // In their order, for sums of doubles depend on it.
  for (const Parameter& parameter : parameters_.stored()) {
    at::Tensor sum = gradient_sum(parameter);
    if (!sum.defined()) continue;
    norms[static_cast<size_t>(parameter.layer)] += sum.abs().sum(at::kDouble).item<double>();
    sum.zero_();
  }
  return norms;
}

at::Tensor Optimizer::gradient_sum(const Parameter& parameter) const {
  require_sums();
  const auto found = state_.find(&parameter);
  return found == state_.end() ? at::Tensor() : found->second.gradient_sum;
}

at::Tensor Optimizer::begin_gradient_sum(const Parameter& parameter) {
  require_sums();
  check(sums(parameter) && parameter.requires_grad, ErrorCode::INVALID_OPTION,
        "Only gradients of layers that learn are summed up.");
  laid_out_ = false;
  ++layout_;
  return begun(parameter).gradient_sum;
}

size_t Optimizer::state_bytes() const {
  size_t bytes = 0;
  for (const auto& entry : state_) {
    const size_t sums = entry.second.gradient_sum.defined() ? 1 : 0;
    bytes += (2 + sums) * entry.second.exp_avg.nbytes();
  }
  return bytes;
}

double clip_factor(double norm, double max_norm) {
  constexpr double kTorchEpsilon = 1e-6;
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + kTorchEpsilon)) : 1.0;
}

}  // namespace permafrost
