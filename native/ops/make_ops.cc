#include "ops/fused_cpu_ops.h"
#include "ops/plain_ops.h"

namespace permafrost {

std::unique_ptr<Ops> make_ops(at::Device device, Kernels kernels) {
  if (kernels == Kernels::fused && device.is_cpu()) return std::make_unique<FusedCpuOps>(cpu_kernels());
  return std::make_unique<PlainOps>();
}

}  // namespace permafrost
