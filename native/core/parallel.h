// Loops over all cores. The split never changes a result: each index is computed by one thread alone.
#pragma once

#include <cstdint>

namespace permafrost {

// Calls body(i) for i in [0, count); `grain` is the least number of indices worth a thread.
template <typename Body>
inline void parallel_for(int64_t count, int64_t grain, const Body& body) {
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (count > grain)
#endif
  for (int64_t i = 0; i < count; ++i) body(i);
  (void)grain;
}

// The same where the cost of an index varies (sequences of different lengths).
template <typename Body>
inline void parallel_for_uneven(int64_t count, const Body& body) {
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 4) if (count > 1)
#endif
  for (int64_t i = 0; i < count; ++i) body(i);
}

}  // namespace permafrost
