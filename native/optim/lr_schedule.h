// Learning rate by update, as the schedules of Hugging Face Transformers have it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace permafrost {

enum class Schedule { linear, cosine, constant, polynomial, slanted_triangular };

// A schedule and what it is laid out for.
struct Course {
  Schedule schedule = Schedule::linear;
  int64_t first = 0;  // updates that were done when it began
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
  double end_share = 0;  // of the peak, at which `polynomial` ends
};

// Slanted triangular (Howard & Ruder 2018, equation 3): from a 32nd of the peak up over the cut, and back. What their
// equation divides the fall by is what is left behind the cut, also where a tenth of the steps is no whole number.
inline double slanted_triangular_share(int64_t step, int64_t warmup_steps, int64_t total_steps) {
  constexpr int64_t kCutShare = 10;
  constexpr double kRatio = 32;
  const int64_t cut = warmup_steps > 0 ? warmup_steps : total_steps / kCutShare;
  const double height =
      step < cut ? static_cast<double>(step) / static_cast<double>(cut)
                 : static_cast<double>(std::max<int64_t>(0, total_steps - step)) /
                       static_cast<double>(std::max<int64_t>(1, total_steps - cut));
  return (1 + height * (kRatio - 1)) / kRatio;
}

// The rate of the update behind `updates` others. It rises from 0 over the warm-up, so that the very first update has
// rate 0; behind the last update that it is laid out for, it stays where it is.
inline double learning_rate_at(const Course& course, double peak, int64_t updates) {
  constexpr double kPi = 3.14159265358979323846;
  const int64_t step = std::max<int64_t>(0, updates - course.first);
  const int64_t warmup = course.warmup_steps;
  if (course.schedule == Schedule::slanted_triangular) {
    return peak * slanted_triangular_share(step, warmup, course.total_steps);
  }
  if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, warmup));
  const auto left = static_cast<double>(std::max<int64_t>(0, course.total_steps - step));
  const auto whole = static_cast<double>(std::max<int64_t>(1, course.total_steps - warmup));
  switch (course.schedule) {
    case Schedule::linear:
      return peak * left / whole;
    case Schedule::cosine:
      return peak * 0.5 * (1 + std::cos(kPi * std::min(1.0, static_cast<double>(step - warmup) / whole)));
    case Schedule::polynomial:
      return peak * (course.end_share + (1 - course.end_share) * left / whole);
    default:
      return peak;
  }
}

}  // namespace permafrost
