// Looking embeddings up, and the gradients of the rows that were looked up, in an order that does not vary.
#include "ops/cuda/rows.cuh"

namespace permafrost::card {

// sum = word[ids] + token_type[0] + position[positions]; the last two may be null. Four columns a thread, H a multiple
// of four.
__global__ void embed(GLOBAL(const i32) ids_T, GLOBAL(const i32) positions_T, GLOBAL(const float) word_VH,
                             GLOBAL(const float) position_PH, GLOBAL(const float) type_YH, GLOBAL(float) sum_TH, i64 T,
                             i64 H) {
  const i64 element = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (element >= T * H) return;
  const i64 t = element / H, h = element % H;
  const i64 id = ids_T[t];
  float4 sum = load_vector<float4>(word_VH, id * H + h);
  if (type_YH) {
    const float4 type = load_vector<float4>(type_YH, h);
    sum.x += type.x, sum.y += type.y, sum.z += type.z, sum.w += type.w;
  }
  if (position_PH) {
    const i64 row = positions_T[t];
    const float4 position = load_vector<float4>(position_PH, row * H + h);
    sum.x += position.x, sum.y += position.y, sum.z += position.z, sum.w += position.w;
  }
  store_vector(sum_TH, element, sum);
}

// order_T: the tokens by their row, those of one row in their own order. The place of each is counted: a warp a token,
// which suits the few thousand tokens of a step better than a sort in many passes.
__global__ void sort_tokens(GLOBAL(const i32) rows_T, GLOBAL(i32) order_T, i64 T) {
  const i64 t = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (t >= T) return;
  const i32 row = rows_T[t];
  const i64 lane = threadIdx.x % 32;
  // Of the tokens before this one those of its own row count, of those behind it they do not.
  i32 before = 0;
  i64 s = lane;
  for (; s < t; s += 32) {
    const i32 other = rows_T[s];
    before += other <= row ? 1 : 0;
  }
  for (; s < T; s += 32) {
    const i32 other = rows_T[s];
    before += other < row ? 1 : 0;
  }
  UNROLL
  for (int distance = 16; distance > 0; distance /= 2) before += __shfl_xor_sync(kWarp, before, distance);
  if (lane == 0) order_T[before] = static_cast<i32>(t);
}

// table[row] += the sum of the rows of x_TH whose token has this row, but for the row `skipped`. Block (p, c): columns
// from 256 c on of the row of the p-th token in order, where it is the first of its row; its warps share the tokens. Shared
// memory: 256 floats a warp.
template <typename X>
__global__ void scatter_rows(GLOBAL(const i32) rows_T, GLOBAL(const i32) order_T, i64 skipped, GLOBAL(const X) x_TH,
                             GLOBAL(float) table_VH, i64 T, i64 H) {
  constexpr int kAtOnce = 4;
  const i64 p = blockIdx.x;
  const i32 first = order_T[p];
  const i32 row = rows_T[first];
  if (static_cast<i64>(row) == skipped) return;
  if (p > 0) {
    const i32 previous = order_T[p - 1];
    const i32 previous_row = rows_T[previous];
    if (previous_row == row) return;
  }
  const i64 warp = threadIdx.x / 32, warps = blockDim.x / 32, lane = threadIdx.x % 32;
  SHARED(float) shared = shared_memory<float>(0);
  for (i64 begin = static_cast<i64>(blockIdx.y) * 256; begin < H; begin += static_cast<i64>(gridDim.y) * 256) {
    const i64 column = begin + lane * 8;
    float sums[8] = {};
    // Tokens of one row stand side by side; past the last one nothing of them comes.
    bool goes_on = true;
    for (i64 place = p + warp; goes_on; place += kAtOnce * warps) {
      Eight<X> read[kAtOnce] = {};
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        if (!goes_on || place + k * warps >= T) {
          goes_on = false;
          continue;
        }
        const i64 token = order_T[place + k * warps];
        const i32 other = rows_T[token];
        goes_on = other == row;
        if (goes_on && column < H) read[k] = load8(x_TH, token * H + column);
      }
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        float x[8];
        widen(read[k], x);
        UNROLL
        for (int i = 0; i < 8; ++i) sums[i] += x[i];
      }
    }
    UNROLL
    for (int i = 0; i < 8; ++i) shared[threadIdx.x * 8 + i] = sums[i];
    __syncthreads();
    for (i64 c = threadIdx.x; c < 256 && begin + c < H; c += blockDim.x) {
      float total = table_VH[row * H + begin + c];
      for (i64 w = 0; w < warps; ++w) {
        const float part = shared[w * 256 + c];
        total += part;
      }
      table_VH[row * H + begin + c] = total;
    }
    __syncthreads();
  }
}

}  // namespace permafrost::card
