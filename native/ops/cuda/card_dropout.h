// A place of dropout as the arguments of a kernel: mask_of(dropout), pass_of(dropout), rows_of(dropout, count), which
// are its parameters (DropoutMask, GLOBAL(const u32), GLOBAL(const i32)).
#pragma once

#include "device/launch.h"
#include "ops/cuda/arguments.h"
#include "ops/dropout.h"

namespace permafrost {

inline DropoutMask mask_of(const Dropout& dropout) {
  if (!dropout.on()) return {0, 0, 0, 0, 0, 1.0f};
  return {static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32), dropout.site, dropout.pass,
          dropout.threshold(), dropout.scale()};
}

inline DeviceArray<const uint32_t> pass_of(const Dropout& dropout) {
  return {dropout.on() ? dropout.device_pass : nullptr, 1};
}

// `count`: the rows of the mask.
inline DeviceArray<const int32_t> rows_of(const Dropout& dropout, int64_t count) {
  return {dropout.on() ? dropout.device_rows : nullptr, count};
}

}  // namespace permafrost
