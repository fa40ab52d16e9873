#include "core/error.h"
#include "ops/cpu/fused_cpu_ops.h"
#include "ops/cuda/kernel_ops.h"
#include "ops/plain/plain_ops.h"

namespace permafrost {

namespace {

void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) {
  if (add) {
    out_MN.addmm_(a_MK, b_KN);
  } else {
    at::mm_out(out_MN, a_MK, b_KN);
  }
}

}  // namespace

std::unique_ptr<Ops> make_ops(at::Device device, Kernels kernels, at::ScalarType type, int64_t head_size,
                              const ProductSettings& products, ProductShape shape) {
  if (kernels == Kernels::fused && device.is_cpu()) {
    return std::make_unique<FusedCpuOps>(cpu_kernels(), type, shape, products);
  }
  if (kernels == Kernels::fused && device.is_cuda()) return make_card_ops(device, type, head_size);
  return std::make_unique<PlainOps>();
}

void Ops::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool) {
  if (weight.int8) return multiply_in_int8(y_TO, x_TI, *weight.int8);
  multiply(y_TO, x_TI, weight.rows(y_TO.size(1)).t(), false);
}

void Ops::affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias) {
  at::addmm_out(y_TO, bias.operand(), x_TI, weight.operand().t());
}

void Ops::linear_activated(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias,
                           Activation activation, bool rows_apart) {
  if (adds_bias_in_product()) {
    affine(y_TO, x_TI, weight, bias);
    return activate(y_TO, {}, activation, y_TO);
  }
  linear(y_TO, x_TI, weight, rows_apart);
  activate(y_TO, bias.value, activation, y_TO);
}

void Ops::linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) {
  multiply(dx_TI, dy_TO, weight.rows(dy_TO.size(1)), add);
}

void Ops::activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation, const GradSink& dbias) {
  at::Tensor y_TI = at::empty_like(pre_TI);
  activate(pre_TI, {}, activation, y_TI);
  activate_backward(dy_TI, pre_TI, activation, dbias);
  pre_TI = y_TI;
}

void Ops::adamw_rows(const std::vector<int32_t>&, const std::vector<int32_t>&, const std::vector<AdamWStep>&, at::Tensor&,
                     at::Tensor&, at::Tensor&) {
  fail(ErrorCode::INTERNAL, "These operations update no rows.");
}

void Ops::adamw_rows(const std::vector<int32_t>&, const AdamWStep&, const at::Tensor&, at::Tensor&, at::Tensor&,
                     at::Tensor&) {
  fail(ErrorCode::INTERNAL, "These operations update no rows.");
}

void Ops::weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight) {
  at::Tensor grad_OI = dweight.grad;
  if (x_TI.scalar_type() == grad_OI.scalar_type()) {
    multiply(grad_OI, dy_TO.t(), x_TI, dweight.accumulate);
  } else if (dweight.accumulate) {
    grad_OI.add_(at::mm(dy_TO.t(), x_TI));
  } else {
    grad_OI.copy_(at::mm(dy_TO.t(), x_TI));
  }
}

}  // namespace permafrost
