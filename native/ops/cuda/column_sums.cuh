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

// The same for any number of columns, such as the labels of a tagger, an element a thread. Block (x, y): 32 columns.
template <typename X>
__global__ void narrow_column_sums(GLOBAL(const X) x_RC, GLOBAL(float) parts_PC, i64 R, i64 C) {
  const i64 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const i64 column = blockIdx.x * 32 + lane;
  float sum = 0;
  for (i64 row = blockIdx.y * warps + warp; column < C && row < R; row += gridDim.y * warps) {
    const X x = x_RC[row * C + column];
    sum += to_float(x);
  }
  SHARED(float) shared = shared_memory<float>(0);
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (warp != 0 || column >= C) return;
  float total = 0;
  for (i64 w = 0; w < warps; ++w) {
    const float part = shared[w * 32 + lane];
    total += part;
  }
  parts_PC[blockIdx.y * C + column] = total;
}

}  // namespace permafrost::card
