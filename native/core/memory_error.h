// Which failures mean that memory was lacking.
#pragma once

#include <exception>

namespace permafrost {

// Libtorch has a class of error for its own allocator alone. What the C library, cuBLAS, cuDNN or the driver lack comes
// as any other error, and is known by its words.
bool is_out_of_memory(const std::exception& error);

}  // namespace permafrost
