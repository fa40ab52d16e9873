// Weights and moments → bytes of a file, without a copy of more than a part of them.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// Appends the elements, little-endian and row by row, where the descriptor stands. `type`: fp32, or fp16, to whose
// nearest numbers (ties to even) they are rounded. Throws WRITE_FAILED.
void dump_elements(int descriptor, const at::Tensor& values, at::ScalarType type);

}  // namespace permafrost
