#include "study/linear_cka.h"

#include "core/error.h"

namespace permafrost {

namespace {

double frobenius(const at::Tensor& covariance) { return covariance.norm().item<double>(); }

}  // namespace

void LinearCka::add(const at::Tensor& x_PRH, const at::Tensor& y_PRK) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto pairs = static_cast<int64_t>(pairs_.size());
  check(x_PRH.dim() == 3 && y_PRK.dim() == 3 && x_PRH.size(0) == pairs && y_PRK.size(0) == pairs &&
            x_PRH.size(1) == y_PRK.size(1),
        ErrorCode::INVALID_BATCH, "similarity: expected representations of ", pairs, " layers and the same tokens, got ",
        x_PRH.sizes(), " and ", y_PRK.sizes(), ".");
  if (x_PRH.size(1) == 0) return;
  for (int64_t p = 0; p < pairs; ++p) {
    Pair& pair = pairs_[static_cast<size_t>(p)];
    const bool is_first = !pair.shift_x_H.defined();
    if (is_first) {
      pair.shift_x_H = x_PRH[p].mean(0);
      pair.shift_y_K = y_PRK[p].mean(0);
    }
    check(pair.shift_x_H.size(0) == x_PRH.size(2) && pair.shift_y_K.size(0) == y_PRK.size(2), ErrorCode::INVALID_BATCH,
          "similarity: representations of another width than before.");
    const at::Tensor x_RH = x_PRH[p] - pair.shift_x_H, y_RK = y_PRK[p] - pair.shift_y_K;
    const auto gather = [is_first](at::Tensor& sum, const at::Tensor& part) {
      sum = is_first ? part.to(at::kDouble) : sum.add_(part.to(at::kDouble));
    };
    gather(pair.sum_x_H, x_RH.to(at::kDouble).sum(0));
    gather(pair.sum_y_K, y_RK.to(at::kDouble).sum(0));
    gather(pair.xx_HH, at::matmul(x_RH.t(), x_RH));
    gather(pair.yy_KK, at::matmul(y_RK.t(), y_RK));
    gather(pair.xy_HK, at::matmul(x_RH.t(), y_RK));
  }
  tokens_ += x_PRH.size(1);
}

std::vector<double> LinearCka::values() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<double> values;
  for (const Pair& pair : pairs_) {
    check(pair.xx_HH.defined(), ErrorCode::INVALID_OPTION, "similarity: nothing was compared yet.");
    const auto count = static_cast<double>(tokens_);
    const auto centred = [count](const at::Tensor& products, const at::Tensor& a, const at::Tensor& b) {
      return frobenius(products - at::outer(a, b) / count);
    };
    const double xy = centred(pair.xy_HK, pair.sum_x_H, pair.sum_y_K);
    const double xx = centred(pair.xx_HH, pair.sum_x_H, pair.sum_x_H);
    const double yy = centred(pair.yy_KK, pair.sum_y_K, pair.sum_y_K);
    values.push_back(xy * xy / (xx * yy));
  }
  return values;
}

int64_t LinearCka::tokens() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tokens_;
}

}  // namespace permafrost
