// Work recorded once and launched again as a whole: CUDA graphs.
//
// The one part of the engine that needs CUDA's headers when it is built; without them there are no graphs.
#pragma once

#include <memory>
#include <string>

#include "core/libtorch.h"
#include "device/step_graph.h"

namespace permafrost {

// Empty where graphs can be recorded; else why not.
std::string why_no_cuda_graphs();

// Records what is launched on the thread's current stream, which must not be the default stream. Other threads may use
// the device meanwhile. Random numbers drawn from the device's generator are drawn anew at each launch.
//
// All graphs of a recorder share one memory pool, since they never run at the same time and leave nothing in it that the
// next one needs. Throws INTERNAL where there are none.
std::shared_ptr<GraphRecorder> record_cuda_graphs(at::Device device);

// Gives memory that is kept but not used back to the device.
void release_device_memory(at::Device device);

// Bytes of the device that tensors take now, and the most they took.
struct DeviceMemory {
  size_t allocated = 0, peak = 0;
};
DeviceMemory device_memory(at::Device device);

}  // namespace permafrost
