// Who accesses memory now.
#pragma once

#include <cstdint>

namespace permafrost::emulator {

struct Running {
  uint32_t block = 0;       // from 1 on
  uint32_t epoch = 0;       // barriers of blocks so far
  uint32_t warp_epoch = 0;  // barriers of the thread's warp since
  uint32_t thread = 0;
};

// Null where no kernel runs.
const Running* running();

}  // namespace permafrost::emulator
