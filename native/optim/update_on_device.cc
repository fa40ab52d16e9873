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

void Optimizer::lay_out_on_device() {
  if (laid_out_) return;
  groups_.clear();
  for (auto* list : {&step_counts_, &gradients_, &rounded_, &unrounded_, &summed_, &sums_}) list->clear();
  std::map<int64_t, at::Tensor> new_steps;
  const AdamWOptions& options = options_.adamw;
  UpdateList list{{}, options.beta1, options.beta2, options.eps, options_.max_grad_norm, kLargestGradient};
  auto rate_group = rates_.groups().begin();
  for (Parameter& parameter : parameters_.stored()) {
    const size_t rate = *rate_group++;
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    parameter.packings.reset();
    State& state = begun(parameter);
    if (!state.device_step.defined()) {
      at::Tensor& shared = new_steps[state.step];
      if (!shared.defined()) shared = at::full({}, static_cast<double>(state.step), parameter.value.options());
      state.device_step = shared;
    }
    const double weight_decay = parameter.decays ? options.weight_decay : 0;
    list.entries.push_back({parameter.value, parameter.grad, state.exp_avg, state.exp_avg_sq, state.device_step,
                            parameter.rounded, state.gradient_sum, weight_decay, rate});
    Group* group = nullptr;
    for (Group& candidate : groups_) {
      const bool is_like = candidate.weight_decay == weight_decay && candidate.rate == rate;
      if (is_like && candidate.step.is_same(state.device_step)) group = &candidate;
    }
    if (group == nullptr) {
      group = &groups_.emplace_back(Group{weight_decay, rate, state.device_step, {}, {}, {}, {}, {}});
    }
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
    if (state.gradient_sum.defined()) {
      summed_.push_back(parameter.grad);
      sums_.push_back(state.gradient_sum);
    }
  }
  listed_ = ops_.listed_update(list);
  laid_out_ = true;
}

Optimizer::DeviceUpdate Optimizer::update_on_device(const UpdateRates& rates, const at::Tensor& mean_scale,
                                                    const at::Tensor& loss) {
  lay_out_on_device();
  if (listed_ && !may_overflow(rates.values)) return {listed_->run(rates.on_device, mean_scale, loss), {}};
  const double max_norm = options_.max_grad_norm;
  const bool clips = max_norm > 0 && max_norm <= kLargestGradient;
  const at::Tensor norm = at::stack(at::_foreach_norm(gradients_, 2)).norm() * mean_scale;
  const at::Tensor is_good = clips ? at::isfinite(norm) : norm.le(kLargestGradient);
  at::Tensor skip = is_good.logical_and(at::isfinite(loss)).logical_not().to(at::kFloat);
  // The same factor as clip_factor's, with the scale of accumulation in it, as a divisor.
  at::Tensor divisor = at::reciprocal(mean_scale);
  if (max_norm > 0) divisor = divisor * at::clamp_min((norm + 1e-6) / max_norm, 1.0);
  DeviceUpdate update{norm, {}};
  if (may_overflow(rates.values)) {
    update.fits = fits_on_device(rates, divisor, skip);
    skip = at::maximum(skip, 1 - update.fits);
  }
  // Before the update, which may leave scaled gradients behind.
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].add_(at::where(skip.ne(0), at::zeros({}, summed_[i].options()), summed_[i] * mean_scale));
  }
  for (at::Tensor& step : step_counts_) step.add_(1 - skip);
  for (const Group& group : groups_) apply(group, rates, divisor, skip);
  copy_all(rounded_, unrounded_);
  return update;
}

void Optimizer::apply(const Group& group, const UpdateRates& rates, const at::Tensor& divisor,
                      const at::Tensor& skip) const {
  const AdamWOptions& options = options_.adamw;
  const at::Tensor learning_rate = rates.on_device.select(0, static_cast<int64_t>(group.rate));
  if (kHasFusedAdamW) {
    fused_adamw(group.values, group.grads, group.exp_avgs, group.exp_avg_sqs, group.steps, learning_rate, options.beta1,
                options.beta2, group.weight_decay, options.eps, divisor, skip);
    return;
  }
  for (size_t i = 0; i < group.values.size(); ++i) {
    adamw_by_parts(group.values[i], group.grads[i], group.exp_avgs[i], group.exp_avg_sqs[i], group.step, learning_rate,
                   options, group.weight_decay, divisor, skip);
  }
}

// 1 where the update leaves every weight finite, else 0; what is to be skipped in any case fits.
at::Tensor Optimizer::fits_on_device(const UpdateRates& rates, const at::Tensor& divisor,
                                     const at::Tensor& skip) const {
  at::Tensor fits = at::ones({}, skip.options().dtype(at::kBool));
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.values.size(); ++i) {
      const at::Tensor step = group.step + (1 - skip);
      const Group beside{group.weight_decay,
                         group.rate,
                         step,
                         {group.values[i].clone()},
                         {group.grads[i].clone()},
                         {group.exp_avgs[i].clone()},
                         {group.exp_avg_sqs[i].clone()},
                         {step}};
      apply(beside, rates, divisor, skip);
      for (const auto* list : {&beside.values, &beside.exp_avgs, &beside.exp_avg_sqs}) {
        fits = fits.logical_and(all_finite(list->front()));
      }
      if (!rounded_.empty()) fits = fits.logical_and(all_finite(beside.values[0].to(rounded_[0].scalar_type())));
    }
  }
  return fits.to(at::kFloat);
}

}  // namespace permafrost
