#include "core/interruption.h"

#include "core/error.h"

namespace permafrost {

namespace {

thread_local const std::atomic<bool>* interrupted = nullptr;

}  // namespace

void interrupt_by(const std::atomic<bool>& flag) { interrupted = &flag; }

void interruption_point() {
  if (interrupted == nullptr || !interrupted->load(std::memory_order_relaxed)) return;
  fail(ErrorCode::DISPOSED, "The call was given up: its thread or its process ends.");
}

}  // namespace permafrost
