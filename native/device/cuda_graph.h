// Work recorded once and launched again as a whole: a CUDA graph.
//
// The one part of the engine that needs CUDA's headers when it is built; without them there are no graphs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/libtorch.h"

namespace permafrost {

// One memory pool for the graphs of one engine. They share it since they never run at the same time and leave
// nothing in it that the next one needs.
struct GraphPool {
  uint64_t high = 0, low = 0;
};

class CudaGraph {
 public:
  // Empty where graphs can be recorded; else why not.
  static std::string why_unavailable();
  static GraphPool make_pool();

  // Records what `body` launches on the thread's current stream, which must not be the default stream, without
  // running it. Other threads may use the device meanwhile. Random numbers drawn from the device's generator are
  // drawn anew at each launch. Throws what `body` throws.
  CudaGraph(const GraphPool& pool, const std::function<void()>& body);
  ~CudaGraph();

  void launch();
  // Bytes that recording added to what is reserved on the device.
  size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Gives memory that is kept but not used back to the device.
void release_device_memory(at::Device device);

// Bytes of the device that tensors take now, and the most they took.
struct DeviceMemory {
  size_t allocated = 0, peak = 0;
};
DeviceMemory device_memory(at::Device device);

}  // namespace permafrost
