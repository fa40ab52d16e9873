// The products of linear maps on a CPU, each by the library that suits it.
#pragma once

#include <memory>

#include "model/parameters.h"
#include "products/libraries.h"

namespace permafrost {

class CpuProducts {
 public:
  explicit CpuProducts(const CpuKernels& kernels);

  // As in Ops.
  void linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart);
  void linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add);
  void weight_gradient(at::Tensor& dweight_OI, const at::Tensor& dy_TO, const at::Tensor& x_TI, bool add);

 private:
  // What multiplies by a weight.
  ProductLibrary& library_for(const at::Tensor& weight_OI, bool rows_apart);

  const std::unique_ptr<ProductLibrary> own_;
  const std::unique_ptr<ProductLibrary> library_;
};

}  // namespace permafrost
