// Elements as checkpoints store them → fp32 weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

enum class ElementType { f32, f16, bf16 };

// The dtype names of the safetensors format. Throws WEIGHTS_FORMAT for any other.
ElementType parse_element_type(const std::string& name);
at::ScalarType scalar_of(ElementType type);

// Throws WEIGHTS_MISMATCH where the bytes do not fill `target` exactly.
void write_elements(const std::string& name, ElementType type, const uint8_t* data, size_t size, at::Tensor target);

// The same for a tensor of other rows: row r of the data becomes row rows[r] of `target`, or none where that is -1. Throws
// WEIGHTS_MISMATCH where the bytes are not as many as the rows need, or a row lies outside `target`.
void write_rows(const std::string& name, ElementType type, const uint8_t* data, size_t size,
                const std::vector<int32_t>& rows, at::Tensor target);

}  // namespace permafrost
