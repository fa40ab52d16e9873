// The kernels of a card by name: compiled at run time (device/compiled_kernels.h), or the same sources on the
// emulator of the tests (test/emulator/).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "device/launch.h"

namespace permafrost {

// A kernel source of ops/cuda and what is wanted of it.
struct KernelSource {
  std::string file;                // such as "attention.cuh"
  std::vector<std::string> names;  // NVRTC name expressions, such as "attention_forward<64>"
};

// A tensor goes as the pointer to its first element, which reaches to the end of its storage's used part; an undefined
// one as null. Its strides go as numbers of their own where the kernel wants them.
inline Argument argument_of(const at::Tensor& tensor) {
  Argument argument;
  if (!tensor.defined()) return argument;
  argument.pointer = tensor.data_ptr();
  int64_t reach = tensor.numel() == 0 ? 0 : 1;
  for (int64_t dim = 0; dim < tensor.dim() && reach > 0; ++dim) reach += (tensor.size(dim) - 1) * tensor.stride(dim);
  argument.bytes = static_cast<size_t>(reach) * tensor.element_size();
  switch (tensor.scalar_type()) {
    case at::kFloat: argument.element = Element::f32; break;
    case at::kDouble: argument.element = Element::f64; break;
    case at::kBFloat16: argument.element = Element::bf16; break;
    case at::kHalf: argument.element = Element::f16; break;
    case at::kInt: argument.element = Element::i32; break;
    case at::kLong: argument.element = Element::i64; break;
    case at::kByte: argument.element = Element::u8; break;
    default: break;
  }
  return argument;
}

class DeviceKernels {
 public:
  virtual ~DeviceKernels() = default;

  virtual bool has(const std::string& name) const = 0;

  // Launches the kernel on the thread's current stream. Values: tensors, DeviceArrays, numbers and structs, each of the
  // very type of the kernel's parameter (int64_t for i64, int32_t for i32, uint32_t for u32, float for float).
  template <typename... Values>
  void launch(const std::string& name, const LaunchShape& shape, const Values&... values) {
    if (shape.grid.x <= 0 || shape.grid.y <= 0 || shape.grid.z <= 0) return;
    const std::array<Argument, sizeof...(Values)> arguments = {argument_of(values)...};
    run(name, shape, arguments.data(), arguments.size());
  }

  // What `launch` comes to.
  virtual void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) = 0;
};

}  // namespace permafrost
