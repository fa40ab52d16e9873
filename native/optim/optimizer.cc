#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>

namespace permafrost {

Optimizer::Optimizer(Parameters& parameters, Ops& ops, const AdamWOptions& options)
    : parameters_(parameters), ops_(ops), options_(options) {}

double Optimizer::gradient_norm() const {
  double sum = 0;
  for (const Parameter& parameter : parameters_.stored()) {
    if (parameter.requires_grad && parameter.grad.defined()) sum += ops_.squared_norm(parameter.grad);
  }
  return std::sqrt(sum);
}

void Optimizer::update(double learning_rate, double grad_scale) {
  for (Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    State& state = begin_state(parameter);
    ++state.step;
    const double weight_decay = parameter.decays ? options_.weight_decay : 0;
    ops_.adamw(parameter.value, parameter.grad, state.exp_avg, state.exp_avg_sq,
               {learning_rate, options_.beta1, options_.beta2, options_.eps, weight_decay, grad_scale, state.step});
    if (parameter.rounded.defined()) parameter.round(parameter.rounded.scalar_type());
  }
}

void Optimizer::drop_frozen() {
  laid_out_ = false;
  ++layout_;
  for (auto entry = state_.begin(); entry != state_.end();) {
    entry = entry->first->requires_grad ? std::next(entry) : state_.erase(entry);
  }
}

const Optimizer::State* Optimizer::state_of(const Parameter& parameter) {
  const auto found = state_.find(&parameter);
  if (found == state_.end()) return nullptr;
  State& state = found->second;
  if (state.device_step.defined()) state.step = static_cast<int64_t>(state.device_step.item<float>());
  return &state;
}

Optimizer::State& Optimizer::begin_state(const Parameter& parameter) {
  State& state = state_[&parameter];
  if (!state.exp_avg.defined()) {
    state.exp_avg = at::zeros_like(parameter.value);
    state.exp_avg_sq = at::zeros_like(parameter.value);
  }
  // The caller may set the number of updates, from which the device's is made afresh.
  state.device_step.reset();
  laid_out_ = false;
  ++layout_;
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
