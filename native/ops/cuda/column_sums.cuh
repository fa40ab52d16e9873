// Gradients of biases: the sums of the columns of a matrix.
#include "ops/cuda/rows.cuh"

namespace permafrost::card {

// parts_PC[y] = sums of rows y * warps + warp, and so on every P * warps. Block (x, y): columns from 256 x on.
// Reads each element once.
template <typename X>
__global__ void column_sums(GLOBAL(const X) x_RC, GLOBAL(float) parts_PC, i64 R, i64 C) {
  constexpr int kAtOnce = 4;
  const i64 column = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x % 32 * 8;
  const i64 warps = blockDim.x / 32, step = gridDim.y * warps;
  float sums[8] = {};
  if (column < C) {
    for (i64 row = blockIdx.y * warps + threadIdx.x / 32; row < R; row += kAtOnce * step) {
      Eight<X> read[kAtOnce] = {};
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        if (row + k * step < R) read[k] = load8(x_RC, (row + k * step) * C + column);
      }
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        float x[8];
        widen(read[k], x);
        UNROLL
        for (int i = 0; i < 8; ++i) sums[i] += x[i];
      }
    }
  }
  const i64 begin = static_cast<i64>(blockIdx.x) * 256;
  leave_part(sums, static_cast<u32>(warps), parts_PC, blockIdx.y * C + begin, C - begin);
}

}  // namespace permafrost::card
