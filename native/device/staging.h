// What travels between host and device while the device computes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// Small inputs on their way to the device: written to pinned memory, copied on a stream of their own, and from
// where they land into their place on the stream that computes. A slot is used again once its last copy is done,
// so that some uploads can be on their way at once. On a CPU it only copies. Belongs to one engine thread.
class Staging {
 public:
  explicit Staging(at::Device device);
  ~Staging();

  // target: contiguous int32 tensor on the device, as long as `values`.
  void upload(const std::vector<int32_t>& values, at::Tensor& target);

 private:
  struct Slot;
  static constexpr size_t kSlots = 4;

  at::Device device_;
  std::array<std::unique_ptr<Slot>, kSlots> slots_;
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
