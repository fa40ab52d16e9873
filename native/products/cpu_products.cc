#include "products/cpu_products.h"

namespace permafrost {

namespace {

std::unique_ptr<ProductLibrary> fast_products() {
  std::unique_ptr<ProductLibrary> library = onednn_products();
  return library != nullptr ? std::move(library) : libtorch_products();
}

}  // namespace

CpuProducts::CpuProducts(const CpuKernels& kernels) : own_(own_products(kernels)), library_(fast_products()) {}

void CpuProducts::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart) {
  const at::Tensor weight_OI = weight.rows(y_TO.size(1));
  library_for(weight_OI, rows_apart).multiply(y_TO, x_TI, weight_OI.t(), false);
}

void CpuProducts::linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) {
  const at::Tensor weight_OI = weight.rows(dy_TO.size(1));
  library_for(weight_OI, false).multiply(dx_TI, dy_TO, weight_OI, add);
}

void CpuProducts::weight_gradient(at::Tensor& dweight_OI, const at::Tensor& dy_TO, const at::Tensor& x_TI, bool add) {
  // The tokens make this sum a long one even where the weights are small, which is what libraries are good at.
  library_->multiply(dweight_OI, dy_TO.t(), x_TI, add);
}

ProductLibrary& CpuProducts::library_for(const at::Tensor& weight_OI, bool rows_apart) {
  // No library promises that a row does not depend on the others: OpenBLAS, oneDNN and MKL all add up in other orders
  // where there are few rows.
  return rows_apart || weight_OI.numel() <= kSmallWeights ? *own_ : *library_;
}

}  // namespace permafrost
