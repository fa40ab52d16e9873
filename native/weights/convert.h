// Elements as checkpoints store them → fp32 weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/libtorch.h"

namespace permafrost {

enum class ElementType { f32, f16, bf16 };

// The dtype names of the safetensors format. Throws WEIGHTS_FORMAT for any other.
ElementType parse_element_type(const std::string& name);
at::ScalarType scalar_of(ElementType type);

// Throws WEIGHTS_MISMATCH where the bytes do not fill `target` exactly.
void write_elements(const std::string& name, ElementType type, const uint8_t* data, size_t size, at::Tensor target);

}  // namespace permafrost
