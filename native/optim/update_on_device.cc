// The update of a step that is launched ahead of the device: nothing is read back.
#include <map>

#include "optim/optimizer.h"

namespace permafrost {

namespace {

// What the fused kernel computes, for versions of libtorch that lack it.
void adamw_by_parts(const at::Tensor& value, const at::Tensor& grad, const at::Tensor& exp_avg,
                    const at::Tensor& exp_avg_sq, const at::Tensor& step, const at::Tensor& learning_rate,
                    const AdamWOptions& options, double weight_decay, const at::Tensor& grad_divisor,
                    const at::Tensor& skip) {
  const at::Tensor keep = skip.ne(0);
  const at::Tensor scaled = grad / grad_divisor;
  const at::Tensor first = exp_avg * options.beta1 + scaled * (1 - options.beta1);
  const at::Tensor second = exp_avg_sq * options.beta2 + scaled * scaled * (1 - options.beta2);
  const at::Tensor correction1 = 1 - at::pow(options.beta1, step);
  const at::Tensor correction2 = 1 - at::pow(options.beta2, step);
  const at::Tensor denominator = second.sqrt() / correction2.sqrt() + options.eps;
  const at::Tensor moved = value * (1 - learning_rate * weight_decay) - learning_rate / correction1 * first / denominator;
  at::Tensor(value).copy_(at::where(keep, value, moved));
  at::Tensor(exp_avg).copy_(at::where(keep, exp_avg, first));
  at::Tensor(exp_avg_sq).copy_(at::where(keep, exp_avg_sq, second));
}

}  // namespace

void Optimizer::lay_out() {
  groups_.clear();
  step_counts_.clear();
  gradients_.clear();
  rounded_.clear();
  unrounded_.clear();
  std::map<int64_t, at::Tensor> new_steps;
  for (Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    State& state = state_[&parameter];
    if (!state.exp_avg.defined()) {
      state.exp_avg = at::zeros_like(parameter.value);
      state.exp_avg_sq = at::zeros_like(parameter.value);
    }
    if (!state.device_step.defined()) {
      at::Tensor& shared = new_steps[state.step];
      if (!shared.defined()) shared = at::full({}, static_cast<double>(state.step), parameter.value.options());
      state.device_step = shared;
    }
    const double weight_decay = parameter.decays ? options_.weight_decay : 0;
    Group* group = nullptr;
    for (Group& candidate : groups_) {
      if (candidate.weight_decay == weight_decay && candidate.step.is_same(state.device_step)) group = &candidate;
    }
    if (group == nullptr) group = &groups_.emplace_back(Group{weight_decay, state.device_step, {}, {}, {}, {}, {}});
    group->values.push_back(parameter.value);
    group->grads.push_back(parameter.grad);
    group->exp_avgs.push_back(state.exp_avg);
    group->exp_avg_sqs.push_back(state.exp_avg_sq);
    group->steps.push_back(state.device_step);
    gradients_.push_back(parameter.grad);
    bool counted = false;
    for (const at::Tensor& step : step_counts_) counted = counted || step.is_same(state.device_step);
    if (!counted) step_counts_.push_back(state.device_step);
    if (parameter.rounded.defined()) {
      rounded_.push_back(parameter.rounded);
      unrounded_.push_back(parameter.value);
    }
  }
  laid_out_ = true;
}

at::Tensor Optimizer::update_on_device(const at::Tensor& learning_rate, const at::Tensor& mean_scale,
                                       const at::Tensor& loss, double max_norm) {
  if (!laid_out_) lay_out();
  const at::Tensor norm = at::stack(at::_foreach_norm(gradients_, 2)).norm() * mean_scale;
  const at::Tensor skip = at::isfinite(norm).logical_and(at::isfinite(loss)).logical_not().to(at::kFloat);
  // The same factor as clip_factor's, with the scale of accumulation in it, as a divisor.
  at::Tensor divisor = at::reciprocal(mean_scale);
  if (max_norm > 0) divisor = divisor * at::clamp_min((norm + 1e-6) / max_norm, 1.0);
  for (at::Tensor& step : step_counts_) step.add_(1 - skip);
  for (const Group& group : groups_) {
    if (kHasFusedAdamW) {
      fused_adamw(group.values, group.grads, group.exp_avgs, group.exp_avg_sqs, group.steps, learning_rate,
                  options_.beta1, options_.beta2, group.weight_decay, options_.eps, divisor, skip);
      continue;
    }
    for (size_t i = 0; i < group.values.size(); ++i) {
      adamw_by_parts(group.values[i], group.grads[i], group.exp_avgs[i], group.exp_avg_sqs[i], group.step,
                     learning_rate, options_, group.weight_decay, divisor, skip);
    }
  }
  copy_all(rounded_, unrounded_);
  return norm;
}

}  // namespace permafrost
