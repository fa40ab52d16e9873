// The type of activations, and of what matrix products read, at the lower precision.
#pragma once

#include <cstdint>

namespace permafrost {

// The upper half of an fp32 number: eight bits of exponent, seven of fraction. Laid out as c10::BFloat16; the kernels,
// each of them compiled for several levels of instructions, convert it by functions of their own, see convert.inc.
struct bf16 {
  uint16_t bits;
};

}  // namespace permafrost
