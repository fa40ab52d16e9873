// The update of all parameters as kernels of a card: update.cuh.
#pragma once

#include <memory>
#include <vector>

#include "device/kernels.h"
#include "ops/listed_update.h"

namespace permafrost {

// Every kernel that such an update launches.
KernelSource update_kernels();

// The update of the list, which is copied to the device here; null where a kernel is missing or does not take a tensor. The
// kernels must outlive it.
std::unique_ptr<ListedUpdate> update_by_kernels(DeviceKernels& kernels, const UpdateList& list);

}  // namespace permafrost
