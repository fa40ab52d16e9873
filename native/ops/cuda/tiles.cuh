// Products of tiles by mma fragments: rows of D bf16 in shared memory, 16 of them at a time, sums in fp32 in registers.
#pragma once

#include "ops/cuda/device.cuh"

namespace permafrost::card {

constexpr int kTile = 16;  // rows of a tile

// Where piece `piece` of 16 bytes of a row of D numbers lies in shared memory. Pieces change places with the row, so
// that the same piece of 8 rows one after another does not meet in the memory's banks.
template <int D>
DEVICE int place_of(int row, int piece) {
  const int turn = ((row & 1) << 2 | (row >> 1 & 3)) & (D / 8 - 1);
  return row * D + (piece ^ turn) * 8;
}

// The lane's place in the fragments of an mma.
DEVICE int lane() { return static_cast<int>(threadIdx.x) % 32; }
DEVICE int lane_row() { return lane() / 4; }
DEVICE int lane_column() { return lane() % 4; }

// The 16 rows from `row`, a multiple of 16, on: as the left operand of products over D.
template <int D>
DEVICE void read_left(u32 (&a)[D / 16][4], SHARED(const bf16) rows, int row) {
  UNROLL
  for (int c = 0; c < D / 16; ++c) {
    ldmatrix_x4(a[c], rows + (row * D + place_of<D>(lane() % 16, 2 * c + lane() / 16)));
  }
}

// s = a b^T for the 16 rows of b from `row` on.
template <int D>
DEVICE void multiply_rows(float (&s)[2][4], const u32 (&a)[D / 16][4], SHARED(const bf16) b, int row) {
  UNROLL
  for (int i = 0; i < 4; ++i) s[0][i] = s[1][i] = 0;
  UNROLL
  for (int c = 0; c < D / 16; ++c) {
    u32 columns[4];
    ldmatrix_x4(columns, b + (row * D + place_of<D>(lane() % 8 + lane() / 16 * 8, 2 * c + lane() / 8 % 2)));
    const u32 first[2] = {columns[0], columns[1]}, second[2] = {columns[2], columns[3]};
    mma_m16n8k16(s[0], a[c], first);
    mma_m16n8k16(s[1], a[c], second);
  }
}

// sum += s b for the 16 rows of b from `row` on; s lies as multiply_rows left it.
template <int D>
DEVICE void add_product(float (&sum)[D / 8][4], const float (&s)[2][4], SHARED(const bf16) b, int row) {
  const u32 a[4] = {pack_bf16(s[0][0], s[0][1]), pack_bf16(s[0][2], s[0][3]), pack_bf16(s[1][0], s[1][1]),
                    pack_bf16(s[1][2], s[1][3])};
  UNROLL
  for (int c = 0; c < D / 16; ++c) {
    u32 columns[4];
    ldmatrix_x4_trans(columns, b + (row * D + place_of<D>(lane() % 16, 2 * c + lane() / 16)));
    const u32 first[2] = {columns[0], columns[1]}, second[2] = {columns[2], columns[3]};
    mma_m16n8k16(sum[2 * c], a, first);
    mma_m16n8k16(sum[2 * c + 1], a, second);
  }
}

// Lanes t of four, each with piece k of a row's 16 bytes in x[k]... become lanes with the whole of piece t.
DEVICE void turn_quad(u32 (&x)[4]) {
  const bool odd = lane() & 1, high = lane() & 2;
  UNROLL
  for (int k = 0; k < 4; k += 2) {
    const u32 got = __shfl_xor_sync(kWarp, odd ? x[k] : x[k + 1], 1);
    x[k] = odd ? got : x[k];
    x[k + 1] = odd ? x[k + 1] : got;
  }
  UNROLL
  for (int k = 0; k < 2; ++k) {
    const u32 got = __shfl_xor_sync(kWarp, high ? x[k] : x[k + 2], 2);
    x[k] = high ? got : x[k];
    x[k + 2] = high ? x[k + 2] : got;
  }
}

// Writes the rows of 16 from `row` on that are below n, 64 bytes a row at once.
template <int D>
DEVICE void write_rows(GLOBAL(bf16) to, int stride, int row, int n, const float (&sum)[D / 8][4]) {
  UNROLL
  for (int r = 0; r < 2; ++r) {
    const int place = row + lane_row() + 8 * r;
    u32 x[D / 32][4];
    UNROLL
    for (int c = 0; c < D / 32; ++c) {
      UNROLL
      for (int k = 0; k < 4; ++k) x[c][k] = pack_bf16(sum[4 * c + k][2 * r], sum[4 * c + k][2 * r + 1]);
      turn_quad(x[c]);
    }
    if (place >= n) continue;
    GLOBAL(bf16) own = to + (place * stride + 8 * lane_column());
    UNROLL
    for (int c = 0; c < D / 32; ++c) store_16(own, 32 * c, make_uint4(x[c][0], x[c][1], x[c][2], x[c][3]));
  }
}

// Of two pairs of bf16.
DEVICE float dot(u32 a, u32 b) { return low_half(a) * low_half(b) + high_half(a) * high_half(b); }

DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(kWarp, x, 1);
  return x + __shfl_xor_sync(kWarp, x, 2);
}
DEVICE float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kWarp, x, 1));
  return fmaxf(x, __shfl_xor_sync(kWarp, x, 2));
}

}  // namespace permafrost::card
