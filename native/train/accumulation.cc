#include "train/accumulation.h"

#include "core/error.h"

namespace permafrost {

Accumulation::Accumulation(Parameters& parameters, Optimizer& optimizer, Collective& collective, int64_t batches)
    : parameters_(parameters), optimizer_(optimizer), collective_(collective), batches_(batches) {}

BatchShare Accumulation::add(int64_t labelled, double weight, bool update_now) {
  // A single batch has its mean gradient from the start, as Hugging Face computes it. Several batches add up the
  // gradients of their summed losses and are divided by the weight of all their labels at the update, so that a large batch and its
  // parts give the same.
  const bool single = batches_ == 1;
  BatchShare share;
  share.labelled = static_cast<int64_t>(collective_.sum(static_cast<double>(labelled)));
  check(share.labelled > 0, ErrorCode::INVALID_BATCH, "No token of the batch has a label: all are ", kIgnoredLabel,
        ", so there is nothing to learn from.");
  share.weight = collective_.sum(weight);
  weight_ += share.weight;
  share.adds = waiting_ > 0;
  share.updates = ++waiting_ >= batches_ || update_now;
  share.loss_scale = single ? 1.0 / share.weight : 1.0;
  share.mean_scale = single ? 1.0 : 1.0 / weight_;
  if (share.updates) drop();
  return share;
}

BatchShare Accumulation::look(int64_t labelled, double weight) {
  drop();
  BatchShare share = add(labelled, weight, true);
  share.loss_scale = 1.0 / share.weight;
  share.updates = false;
  return share;
}

void Accumulation::drop() {
  waiting_ = 0;
  weight_ = 0;
}

StepNumber Accumulation::over_ranks(const StepNumber& loss_sum) {
  if (loss_sum.on_device()) collective_.sum({loss_sum.tensor});
  return {loss_sum.on_device() ? 0 : collective_.sum(loss_sum.value), loss_sum.tensor};
}

void Accumulation::sum_gradients() {
  if (collective_.size() == 1) return;
  std::vector<at::Tensor> gradients;
  for (Parameter& parameter : parameters_.stored()) {
    if (!parameter.requires_grad || !parameter.grad.defined()) continue;
    gradients.push_back(parameter.grad);
    if (!parameter.by_rows) continue;
    // The rows of all ranks, which the pass of this one has not brought up to date.
    const at::Tensor used_V = at::zeros({parameter.value.size(0)});
    used_V.index_fill_(0, at::tensor(parameter.grad_rows, at::kLong), 1);
    collective_.sum({used_V});
    const at::Tensor rows = used_V.nonzero().view({-1}).to(at::kInt).contiguous();
    parameter.grad_rows.assign(rows.data_ptr<int32_t>(), rows.data_ptr<int32_t>() + rows.numel());
    optimizer_.settle_rows(parameter.grad_rows);
  }
  collective_.sum(gradients);
}

Accumulation::Update Accumulation::update(const StepNumber& loss_sum, const StepNumber& mean_scale,
                                          const UpdateRates& rates) {
  sum_gradients();
  if (loss_sum.on_device()) {
    const auto [norm, fits] = optimizer_.update_on_device(rates, mean_scale.tensor, loss_sum.tensor);
    return {{0, norm}, {1, fits}};
  }
  const auto [norm, fits] = optimizer_.update(rates, mean_scale.value);
  return {{norm}, {fits ? 1.0 : 0.0}};
}

}  // namespace permafrost
