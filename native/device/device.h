// Names of devices: "cpu", "cuda", "cuda:1", "auto".
#pragma once

#include <string>

#include "core/libtorch.h"

namespace permafrost {

// CUDA devices that libtorch sees; 0 for a libtorch without CUDA.
int count_cards();

// `auto` is the first card, or the CPU where there is none.
// Throws INVALID_OPTION for a name of another form, DEVICE_UNAVAILABLE where there is no such device.
at::Device parse_device(const std::string& name);

// Makes the device, and a stream of its own on it, those of the calling thread from now on: graphs cannot be recorded
// on the default stream, and engines do not wait for each other. Does nothing for a CPU.
void enter_device(at::Device device);

}  // namespace permafrost
