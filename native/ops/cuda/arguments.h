// Structs that go to kernels by value, the same for host and card: numbers alone, nothing included.
#pragma once

namespace permafrost {

// One place of dropout in one pass; see ops/dropout.h. Threshold 0: off.
struct DropoutMask {
  unsigned key0, key1, site, pass;
  unsigned threshold;  // of 16 bits
  float scale;
};

}  // namespace permafrost
