// Dropout by itself: of embeddings, of what a head reads, of relative embeddings.
#include "ops/cuda/rows.cuh"

namespace permafrost::card {

// x <- dropout(x), which is its own derivative. A warp for each 256 columns of a row; block (x, y): columns from 256 x
// on, rows from y * warps on.
template <typename X>
__global__ void dropout(GLOBAL(X) x_TH, DropoutMask mask, GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows,
                        i64 T, i64 H) {
  const i64 column = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x % 32 * 8;
  const i64 warps = blockDim.x / 32;
  const u32 pass = mask_pass(mask, device_pass);
  for (i64 t = blockIdx.y * warps + threadIdx.x / 32; t < T; t += gridDim.y * warps) {
    float x[8] = {};
    if (column < H) widen(load8(x_TH, t * H + column), x);
    drop(mask, pass, mask_row(mask_rows, t), static_cast<i32>(column), x);
    if (column < H) store8(x_TH, t * H + column, x);
  }
}

}  // namespace permafrost::card
