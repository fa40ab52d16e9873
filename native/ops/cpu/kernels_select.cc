// Which of the compiled instruction levels this processor runs.
#include <cstring>
#include <initializer_list>

#include "ops/cpu/kernels.h"

namespace permafrost {

namespace baseline {
extern const CpuKernels kernels;
}
#ifdef PERMAFROST_HAS_AVX2
namespace avx2 {
extern const CpuKernels kernels;
}
#endif
#ifdef PERMAFROST_HAS_AVX512
namespace avx512 {
extern const CpuKernels kernels;
}
#endif
#ifdef PERMAFROST_HAS_AVX512BF16
namespace avx512bf16 {
extern const CpuKernels kernels;
}
#endif

namespace {

bool has_avx2() {
#ifdef PERMAFROST_HAS_AVX2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool has_avx512() {
#ifdef PERMAFROST_HAS_AVX512
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

bool has_avx512bf16() {
#ifdef PERMAFROST_HAS_AVX512BF16
  return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

}  // namespace

const CpuKernels* cpu_kernels_of(const char* level) {
  if (std::strcmp(level, "baseline") == 0) return &baseline::kernels;
#ifdef PERMAFROST_HAS_AVX2
  if (std::strcmp(level, "avx2") == 0 && has_avx2()) return &avx2::kernels;
#endif
#ifdef PERMAFROST_HAS_AVX512
  if (std::strcmp(level, "avx512") == 0 && has_avx512()) return &avx512::kernels;
#endif
#ifdef PERMAFROST_HAS_AVX512BF16
  if (std::strcmp(level, "avx512bf16") == 0 && has_avx512bf16()) return &avx512bf16::kernels;
#endif
  return nullptr;
}

const CpuKernels& cpu_kernels() {
  for (const char* level : {"avx512bf16", "avx512", "avx2"}) {
    if (const CpuKernels* kernels = cpu_kernels_of(level)) return *kernels;
  }
  return *cpu_kernels_of("baseline");
}

}  // namespace permafrost
