#include "ops/token_loss.h"

#include <cmath>

#include "core/error.h"
#include "model/batch.h"

namespace permafrost {

namespace {

// What stands for 1 - p where p is 1 to the bit: the factors that it has a part in are 0 there, and no power of it may be
// infinite.
constexpr double kSmallestRest = 1e-30;

}  // namespace

TokenLoss::TokenLoss(const TokenLossOptions& options, int64_t num_classes, at::Device device) : options_(options) {
  const auto& [weights, smoothing, gamma] = options;
  check(smoothing >= 0 && smoothing < 1, ErrorCode::INVALID_OPTION,
        "labelSmoothing: expected a number from 0 to below 1, got ", smoothing, ".");
  check(std::isfinite(gamma) && gamma >= 0, ErrorCode::INVALID_OPTION, "focalGamma: expected a number from 0, got ",
        gamma, ".");
  check(smoothing == 0 || gamma == 0, ErrorCode::INVALID_OPTION,
        "labelSmoothing and focalGamma: expected one of them; their combination has no common definition.");
  if (weights.empty()) return;
  check(static_cast<int64_t>(weights.size()) == num_classes, ErrorCode::INVALID_OPTION,
        "classWeights: expected one for each of the ", num_classes, " labels, got ", weights.size(), ".");
  for (const double weight : weights) {
    check(std::isfinite(weight) && weight > 0, ErrorCode::INVALID_OPTION,
          "classWeights: expected numbers above 0, got ", weight, ".");
  }
  class_weights_C = at::tensor(weights, at::kDouble).to(device, at::kFloat);
}

double TokenLoss::weight_of(int32_t label) const {
  return options_.class_weights.empty() ? 1 : options_.class_weights[static_cast<size_t>(label)];
}

at::Tensor TokenLoss::compute(const at::Tensor& logits_RC, const at::Tensor& labels_R, const at::Tensor& weights_R,
                              const at::Tensor& scale, at::Tensor& dlogits_RC) const {
  const double smoothing = options_.label_smoothing, gamma = options_.focal_gamma;
  const at::Tensor log_p_RC = at::log_softmax(logits_RC, 1, at::kFloat);
  const at::Tensor p_RC = log_p_RC.exp();
  const at::Tensor ignored_R1 = labels_R.eq(kIgnoredLabel).unsqueeze(1);
  const at::Tensor index_R1 = labels_R.clamp_min(0).to(at::kLong).unsqueeze(1);
  const at::Tensor log_p_R1 = log_p_RC.gather(1, index_R1);

  // The term of the label itself, h (-log p), and the factor g of its gradient g (p - 1).
  at::Tensor h_R1 = at::full_like(log_p_R1, 1 - smoothing), g_R1 = h_R1;
  if (gamma > 0) {
    const at::Tensor rest_R1 = log_p_R1.expm1().neg_().clamp_min_(kSmallestRest);
    h_R1 = rest_R1.pow(gamma);
    g_R1 = h_R1 - rest_R1.pow(gamma - 1).mul_(p_RC.gather(1, index_R1)).mul_(log_p_R1).mul_(gamma);
  }
  if (class_weights_C.defined()) {
    const at::Tensor of_label_R1 = class_weights_C.index_select(0, index_R1.flatten()).unsqueeze(1);
    h_R1 = h_R1 * of_label_R1;
    g_R1 = g_R1 * of_label_R1;
  }
  at::Tensor loss_R1 = h_R1.mul(log_p_R1).neg_();
  at::Tensor gradient_RC = p_RC * g_R1;
  gradient_RC.scatter_add_(1, index_R1, g_R1.neg());
  if (smoothing > 0) {
    const double share = smoothing / static_cast<double>(logits_RC.size(1));
    const at::Tensor w_C = class_weights_C.defined() ? class_weights_C : at::ones({logits_RC.size(1)}, p_RC.options());
    loss_R1.sub_(log_p_RC.mul(w_C).sum(1, true), share);
    gradient_RC.add_(p_RC.mul(w_C.sum()).sub_(w_C), share);
  }
  if (weights_R.defined()) {
    loss_R1.mul_(weights_R.unsqueeze(1));
    gradient_RC.mul_(weights_R.unsqueeze(1));
  }
  // A fill, not a product: an infinite loss must not become a NaN where it does not count.
  const at::Tensor loss = loss_R1.masked_fill(ignored_R1, 0).sum(at::kDouble);
  dlogits_RC.copy_(gradient_RC.masked_fill_(ignored_R1, 0).mul_(scale));
  return loss;
}

}  // namespace permafrost
