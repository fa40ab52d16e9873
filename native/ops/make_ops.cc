#include "core/error.h"
#include "ops/cpu/fused_cpu_ops.h"
#include "ops/cuda/kernel_ops.h"
#include "ops/plain/plain_ops.h"

namespace permafrost {

std::unique_ptr<Ops> make_ops(at::Device device, Kernels kernels, at::ScalarType type, int64_t head_size) {
  if (kernels == Kernels::fused && device.is_cpu() && type == at::kFloat) {
    return std::make_unique<FusedCpuOps>(cpu_kernels());
  }
  if (kernels == Kernels::fused && device.is_cuda()) return make_card_ops(device, type, head_size);
  return std::make_unique<PlainOps>();
}

void Ops::product(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add, bool) {
  if (add) {
    out_MN.addmm_(a_MK, b_KN);
  } else {
    at::mm_out(out_MN, a_MK, b_KN);
  }
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
    product(grad_OI, dy_TO.t(), x_TI, dweight.accumulate);
  } else if (dweight.accumulate) {
    grad_OI.add_(at::mm(dy_TO.t(), x_TI));
  } else {
    grad_OI.copy_(at::mm(dy_TO.t(), x_TI));
  }
}

}  // namespace permafrost
