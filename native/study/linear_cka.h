// Linear centred kernel alignment (Kornblith et al. 2019, equation 3 with linear kernels): how alike two representations
// of the same tokens are, whatever rotation and scale they are in.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// Gathers the covariances of pairs of representations, part by part, so that the tokens are never in memory together.
// May be used from any thread.
class LinearCka {
 public:
  // `pairs`: of representations that are compared, each pair by itself.
  explicit LinearCka(int64_t pairs) : pairs_(static_cast<size_t>(pairs)) {}

  // Rows are the same tokens in both: x_PRH, [pairs, R, H], and y_PRK, on the CPU in fp32. Throws INVALID_BATCH where
  // shapes do not go together, or not with those of the parts before.
  void add(const at::Tensor& x_PRH, const at::Tensor& y_PRK);

  // ||cov(x, y)||^2 / (||cov(x, x)|| ||cov(y, y)||) of each pair, Frobenius norms: from 0 to 1. NaN where a
  // representation is the same for all tokens.
  std::vector<double> values() const;
  int64_t tokens() const;

 private:
  // Sums over tokens of what is left when the mean of the first part is taken off, which spares the sums of products the
  // digits that large means would take.
  struct Pair {
    at::Tensor shift_x_H, shift_y_K;
    at::Tensor sum_x_H, sum_y_K, xx_HH, yy_KK, xy_HK;  // fp64
  };

  mutable std::mutex mutex_;
  std::vector<Pair> pairs_;
  int64_t tokens_ = 0;
};

}  // namespace permafrost
