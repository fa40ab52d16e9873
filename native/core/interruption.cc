#include "core/interruption.h"

#include "core/error.h"

namespace permafrost {

namespace {

constexpr double kPatienceSeconds = 1;

thread_local const Interruption* interrupted = nullptr;

}  // namespace

void interrupt_by(const Interruption* interruption) { interrupted = interruption; }

const Interruption* own_interruption() { return interrupted; }

void interruption_point() {
  if (interrupted == nullptr || !interrupted->work.load(std::memory_order_relaxed)) return;
  fail(ErrorCode::DISPOSED, "The call was given up: its thread or its process ends.");
}

void interruption_point_waiting(double seconds) {
  interruption_point();
  if (interrupted == nullptr || seconds < kPatienceSeconds || !interrupted->waits.load(std::memory_order_relaxed)) return;
  fail(ErrorCode::DISPOSED, "The model was disposed while a call waited for other ranks.");
}

}  // namespace permafrost
