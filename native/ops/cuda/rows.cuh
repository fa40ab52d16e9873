// What the kernels over rows of numbers share: eight columns a thread, moved in accesses of 16 bytes, and the sums of
// columns, which blocks leave in parts for `sum_parts` to add up. No sum depends on the order in which threads come.
#pragma once

#include "ops/cuda/device.cuh"

namespace permafrost::card {

// Eight elements as they lie in memory.
template <typename X>
struct Eight;
template <>
struct Eight<bf16> {
  uint4 bits;
};
template <>
struct Eight<float> {
  float4 low, high;
};

DEVICE Eight<bf16> load8(GLOBAL(const bf16) x, i64 element) { return {load_vector<uint4>(x, element)}; }
DEVICE Eight<float> load8(GLOBAL(const float) x, i64 element) {
  return {load_vector<float4>(x, element), load_vector<float4>(x, element + 4)};
}

DEVICE void widen(const Eight<bf16>& eight, float (&x)[8]) {
  const u32 pairs[4] = {eight.bits.x, eight.bits.y, eight.bits.z, eight.bits.w};
  UNROLL
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = low_half(pairs[i]);
    x[2 * i + 1] = high_half(pairs[i]);
  }
}
DEVICE void widen(const Eight<float>& eight, float (&x)[8]) {
  x[0] = eight.low.x, x[1] = eight.low.y, x[2] = eight.low.z, x[3] = eight.low.w;
  x[4] = eight.high.x, x[5] = eight.high.y, x[6] = eight.high.z, x[7] = eight.high.w;
}

DEVICE void store8(GLOBAL(bf16) target, i64 element, const float (&x)[8]) {
  store_16(target, element,
           make_uint4(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]), pack_bf16(x[4], x[5]), pack_bf16(x[6], x[7])));
}
DEVICE void store8(GLOBAL(float) target, i64 element, const float (&x)[8]) {
  UNROLL
  for (int i = 0; i < 8; i += 4) {
    store_16(target, element + i,
             make_uint4(__float_as_uint(x[i]), __float_as_uint(x[i + 1]), __float_as_uint(x[i + 2]), __float_as_uint(x[i + 3])));
  }
}

// Multiplies the warp's 256 columns of a row, eight a lane from `column` on, by their dropout mask. A counter of the
// generator belongs to columns that lie 16 apart, so each lane draws one and gets the bits of its own from others.
DEVICE void drop(const DropoutMask& mask, u32 pass, u32 row, i32 column, float (&x)[8]) {
  const u32 lane = threadIdx.x % 32;
  u32 word[4];
  mask_words(mask, pass, row, static_cast<u32>(column / 128), lane % 16, word);
  u32 kept = 0;
  UNROLL
  for (u32 half = 0; half < 8; ++half) {
    const u32 bits = word[half / 2] >> (half % 2 * 16) & 0xffff;
    kept |= (bits < mask.threshold ? 0u : 1u) << half;
  }
  // Lane l of 16 has columns 8 l + i: those of counter 8 (l % 2) + i, half l / 2.
  UNROLL
  for (u32 i = 0; i < 8; ++i) {
    const u32 other = __shfl_sync(kWarp, kept, static_cast<int>((lane & 16) + lane % 2 * 8 + i));
    x[i] *= (other >> (lane % 16 / 2) & 1) != 0 ? mask.scale : 0.0f;
  }
}

// Adds up what each of the block's `warps` has for the columns [warp's lane * 8 + i], i < 8, in the order of the warps,
// and writes the columns below `columns` to `part`. Shared memory: 256 floats a warp.
DEVICE void leave_part(const float (&sums)[8], u32 warps, GLOBAL(float) parts, i64 begin, i64 columns) {
  SHARED(float) shared = shared_memory<float>(0);
  UNROLL
  for (int i = 0; i < 8; ++i) shared[threadIdx.x * 8 + i] = sums[i];
  __syncthreads();
  for (u32 c = threadIdx.x; c < 256 && c < columns; c += blockDim.x) {
    float total = 0;
    for (u32 warp = 0; warp < warps; ++warp) total += shared[warp * 256 + c];
    parts[begin + c] = total;
  }
}

// The last stage of all sums that wait for it: the parts are added up in their order. 32 columns a block of 8 warps.
__global__ void sum_parts(const PendingSums pending) {
  constexpr i32 kWarps = 8;
  const i32 block = static_cast<i32>(blockIdx.x);
  i32 which = 0, end = pending.count;
  while (end - which > 1) {
    const i32 middle = (which + end) / 2;
    if (pending.sum[middle].first_block <= block) {
      which = middle;
    } else {
      end = middle;
    }
  }
  const PendingSum sum = pending.sum[which];
  GLOBAL(const float) parts_PC = pointer_at<const float>(sum.parts, static_cast<i64>(sum.count) * sum.columns);
  GLOBAL(float) target_C = pointer_at<float>(sum.target, sum.columns);
  SHARED(float) shared = shared_memory<float>(0);
  const i32 warp = static_cast<i32>(threadIdx.x) / 32;
  const i32 column = (block - sum.first_block) * 32 + static_cast<i32>(threadIdx.x) % 32;
  float total = 0;
  if (column < sum.columns) {
    for (i32 p = warp; p < sum.count; p += kWarps) {
      const float part = parts_PC[static_cast<i64>(p) * sum.columns + column];
      total += part;
    }
  }
  shared[threadIdx.x] = total;
  __syncthreads();
  if (warp != 0 || column >= sum.columns) return;
  total = sum.accumulates != 0 ? static_cast<float>(target_C[column]) : 0.0f;
  for (i32 w = 0; w < kWarps; ++w) {
    const float part = shared[w * 32 + column % 32];
    total += part;
  }
  target_C[column] = total;
}

}  // namespace permafrost::card
