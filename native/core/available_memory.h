// Memory that a process may still take.
#pragma once

#include <cstddef>

namespace permafrost {

// Bytes of main memory that can be had without swapping: what the kernel says, or less where the process's control
// group (container, batch job) has a limit.
size_t available_memory();

}  // namespace permafrost
