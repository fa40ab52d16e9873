// Masks of dropout as tensors, for the plain operations.
#pragma once

#include <cstdint>

#include "core/libtorch.h"
#include "ops/dropout.h"

namespace permafrost {

// The factors of a [rows, columns] mask whose first row has number `first_row`.
at::Tensor dropout_factors(const Dropout& dropout, int64_t rows, int64_t columns, int64_t first_row, at::Device device);

}  // namespace permafrost
