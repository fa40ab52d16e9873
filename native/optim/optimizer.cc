#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace permafrost {

namespace {

at::Tensor rows_of(const at::Tensor& table, const std::vector<int32_t>& rows) {
  return table.index_select(0, at::tensor(rows, at::kInt));
}

}  // namespace

Optimizer::Optimizer(Parameters& parameters, Ops& ops, const AdamWOptions& options)
    : parameters_(parameters), ops_(ops), options_(options) {}

double Optimizer::gradient_norm() const {
  double sum = 0;
  for (const Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    sum += ops_.squared_norm(parameter.by_rows ? rows_of(parameter.grad, parameter.grad_rows) : parameter.grad);
  }
  return std::sqrt(sum);
}

void Optimizer::update(double learning_rate, double grad_scale) {
  for (Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    State& state = begun(parameter);
    ++state.step;
    const double weight_decay = parameter.decays ? options_.weight_decay : 0;
    const AdamWStep step{learning_rate, options_.beta1, options_.beta2, options_.eps,
                         weight_decay,  grad_scale,     state.step};
    if (parameter.by_rows) {
      update_rows(parameter, state, step);
    } else {
      ops_.adamw(parameter.value, parameter.grad, state.exp_avg, state.exp_avg_sq, step);
    }
    if (parameter.rounded.defined()) parameter.round(parameter.rounded.scalar_type());
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
  laid_out_ = false;
  ++layout_;
  return state;
}

Optimizer::State& Optimizer::begun(const Parameter& parameter) {
  State& state = state_[&parameter];
  if (!state.exp_avg.defined()) {
    state.exp_avg = at::zeros_like(parameter.value);
    state.exp_avg_sq = at::zeros_like(parameter.value);
  }
  return state;
}

size_t Optimizer::state_bytes() const {
  size_t bytes = 0;
  for (const auto& entry : state_) bytes += 2 * entry.second.exp_avg.nbytes();
  return bytes;
}

double clip_factor(double norm, double max_norm) {
  constexpr double kTorchEpsilon = 1e-6;
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + kTorchEpsilon)) : 1.0;
}

}  // namespace permafrost
