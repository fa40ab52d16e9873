// Names of devices: "cpu", "cuda", "cuda:1".
#pragma once

#include <string>

#include "core/libtorch.h"

namespace permafrost {

// Throws INVALID_OPTION for a name of another form, DEVICE_UNAVAILABLE where there is no such device.
at::Device parse_device(const std::string& name);

}  // namespace permafrost
