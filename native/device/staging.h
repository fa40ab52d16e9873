// What travels between host and device while the device computes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// Small inputs on their way to the device: written to pinned memory, copied on a stream of their own, and from
// where they land into their place on the stream that computes. A slot is used again once its last copy is done: there
// are as many as uploads may be on their way at once. On a CPU it only copies. Belongs to one engine thread.
class Staging {
 public:
  Staging(at::Device device, size_t slots);
  ~Staging();

  // target: contiguous int32 tensor on the device, as long as `values`.
  void upload(const std::vector<int32_t>& values, at::Tensor& target);

 private:
  struct Slot;
  at::Device device_;
  std::vector<std::unique_ptr<Slot>> slots_;
  size_t next_ = 0;
  std::optional<c10::Stream> copy_stream_;
};

// A few numbers on their way back. Made when they were launched; `read` waits for them.
class Readback {
 public:
  // numbers: contiguous fp32 tensor on the device.
  explicit Readback(const at::Tensor& numbers);

  std::vector<float> read() const;

 private:
  at::Tensor host_;
  std::shared_ptr<c10::Event> arrived_;
};

}  // namespace permafrost
