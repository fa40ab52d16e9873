// CUDA's names for the C++ compiler.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "test/emulator/block.h"

#define __global__ inline
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define DEVICE inline
#define UNROLL

#define threadIdx (::permafrost::emulator::thread_index())
#define blockIdx (::permafrost::emulator::block_index())
#define blockDim (::permafrost::emulator::block_size())
#define gridDim (::permafrost::emulator::grid_size())

// The place in the kernel that calls, as default arguments of what threads meet in.
#define EMULATOR_SITE const char *site_file = __builtin_FILE(), int site_line = __builtin_LINE()
#define EMULATOR_HERE (::permafrost::emulator::Site{site_file, site_line})

namespace permafrost::card {

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };

inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline void __syncthreads(EMULATOR_SITE) { emulator::block_barrier(EMULATOR_HERE); }
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_SITE) { emulator::warp_barrier(mask, EMULATOR_HERE); }

namespace shuffles {
inline int lane() { return static_cast<int>(threadIdx.x % 32); }
// The lane, or -1 where it lies outside of this lane's part of `width` lanes.
inline int within(int source, int width) { return source / width == lane() / width && source >= 0 ? source : -1; }
}  // namespace shuffles

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_SITE) {
  const int part = shuffles::lane() / width * width;
  return emulator::shuffle(mask, value, part + ((source % width) + width) % width, EMULATOR_HERE);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int width = 32, EMULATOR_SITE) {
  return emulator::shuffle(mask, value, shuffles::within(shuffles::lane() ^ distance, width), EMULATOR_HERE);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_SITE) {
  const int source = shuffles::lane() + static_cast<int>(distance);
  return emulator::shuffle(mask, value, shuffles::within(source, width), EMULATOR_HERE);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_SITE) {
  const int source = shuffles::lane() - static_cast<int>(distance);
  return emulator::shuffle(mask, value, shuffles::within(source, width), EMULATOR_HERE);
}

namespace votes {
struct Vote {
  bool holds;
  unsigned ballot;
};
inline void action(void* const (&payloads)[32]) {
  unsigned ballot = 0;
  for (int lane = 0; lane < 32; ++lane) {
    if (payloads[lane] != nullptr && static_cast<Vote*>(payloads[lane])->holds) ballot |= 1u << lane;
  }
  for (void* payload : payloads) {
    if (payload != nullptr) static_cast<Vote*>(payload)->ballot = ballot;
  }
}
}  // namespace votes
inline unsigned __ballot_sync(unsigned mask, bool holds, EMULATOR_SITE) {
  votes::Vote vote{holds, 0};
  emulator::warp_meeting(mask, votes::action, &vote, EMULATOR_HERE);
  return vote.ballot;
}
inline bool __any_sync(unsigned mask, bool holds, EMULATOR_SITE) { return __ballot_sync(mask, holds, site_file, site_line) != 0; }
inline bool __all_sync(unsigned mask, bool holds, EMULATOR_SITE) {
  return __ballot_sync(mask, holds, site_file, site_line) == mask;
}

template <typename T>
T atomicAdd(emulator::Pointer<T> pointer, T value) {
  return pointer.change([&](T before) { return before + value; });
}
template <typename T>
T atomicMax(emulator::Pointer<T> pointer, T value) {
  return pointer.change([&](T before) { return std::max(before, value); });
}
template <typename T>
T atomicOr(emulator::Pointer<T> pointer, T value) {
  return pointer.change([&](T before) { return before | value; });
}

inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) >> (shift & 31));
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }

template <typename T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

}  // namespace permafrost::card
