// The text of the kernel sources.
#pragma once

#include <vector>

#include "device/nvrtc.h"

namespace permafrost {

// The files of ops/cuda that kernels are made of, as the build put them into the engine.
const std::vector<SourceFile>& kernel_files();

}  // namespace permafrost
