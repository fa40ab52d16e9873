// Buffers that outlive the step that used them.
#pragma once

#include <memory>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// Hands out uninitialised tensors and takes their memory back when the last reference goes.
//
// glibc returns large blocks to the kernel at every free, and a step would pay one page fault for each
// 4 KiB of its activations. On a CPU the pool keeps them; CUDA has libtorch's caching allocator.
// Belongs to one engine thread; the tensors may be released on any thread.
class BufferPool {
 public:
  // `type`: of the tensors that are asked for without one.
  explicit BufferPool(at::Device device, at::ScalarType type = at::kFloat);
  ~BufferPool();

  at::Tensor empty(at::IntArrayRef sizes) { return empty(sizes, type_); }
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type);

  // Bytes held, in use or waiting.
  size_t bytes() const;
  // Gives back what is not in use.
  void trim();

 private:
  struct Blocks;
  at::Device device_;
  at::ScalarType type_;
  std::shared_ptr<Blocks> blocks_;
};

}  // namespace permafrost
