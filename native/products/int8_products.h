// The products of linear maps whose weights are of 8 bits, by the kernels of ops/cpu; see ops/cpu/int8.h.
#pragma once

#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/int8_weight.h"

namespace permafrost {

class Int8Products {
 public:
  explicit Int8Products(const Int8Kernels& kernels) : kernels_(kernels) {}

  // The weight as the kernels read it.
  Int8Weight pack(Int8Weight weight) const;
  // y_TO = activation(x_TI W^T + bias), by W's first rows where there are fewer outputs. `bias` may be undefined, and
  // `activation` is -1 for none.
  void linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Int8Weight& weight, const at::Tensor& bias_O = {},
              int activation = -1);

 private:
  const Int8Kernels& kernels_;
  // Rounded inputs.
  std::vector<uint8_t> values_;
  std::vector<float> steps_, centres_;
};

}  // namespace permafrost
