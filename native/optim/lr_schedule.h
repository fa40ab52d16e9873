// Learning rate by step, as the schedules of the Hugging Face Trainer have it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace permafrost {

enum class Schedule { constant, linear };

// Rises from 0 over `warmup_steps`, then stays, or falls linearly to 0 at `total_steps`. `step` is
// 0-based, so the very first step of a warm-up has rate 0.
inline double learning_rate_at(Schedule schedule, double peak, int64_t step, int64_t warmup_steps,
                               int64_t total_steps) {
  if (step < warmup_steps) return peak * static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, warmup_steps));
  if (schedule == Schedule::constant) return peak;
  const auto left = static_cast<double>(std::max<int64_t>(0, total_steps - step));
  return peak * left / static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
}

}  // namespace permafrost
