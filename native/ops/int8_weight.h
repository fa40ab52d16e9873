// A weight of a linear map in 8 bits, as inference in int8 multiplies by it; ops/cpu/int8.h says how.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

struct Int8Weight {
  int64_t outputs, inputs;
  // Rounded weights: [outputs, inputs] int8, or bytes as the operations that packed them like them.
  at::Tensor values;
  at::Tensor scale_O, row_sum_O;

  size_t bytes() const { return values.nbytes() + scale_O.nbytes() + row_sum_O.nbytes(); }
};

// Rounds W_OI of fp32.
Int8Weight round_to_int8(const at::Tensor& weight_OI);

// y_TO = x_TI W^T, by W's first rows where there are fewer outputs, by libtorch's operations, as a reference.
void multiply_in_int8(at::Tensor& y_TO, const at::Tensor& x_TI, const Int8Weight& weight);

}  // namespace permafrost
