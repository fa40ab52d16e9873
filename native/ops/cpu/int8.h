// Linear maps with factors of 8 bits, for inference: y = x W^T (+ bias).
//
// The scheme is that of `export --onnx --int8` (src/export/arithmetic.ts), so that a model gives the same in both.
//
//   weights     W[o, k] = scale[o] * w[o, k], w from -127 to 127, scale[o] = max |W[o, :]| / 127, rounded once
//   inputs      x[t, k] = centre[t] + step[t] * a[t, k], a from -127 to 127, each token over the range of its own numbers:
//                 centre = (max + min) / 2, step = max((max - min) / 254, 1e-30), a = round to even of (x - centre) / step
//   sums        s[t, o] = sum over k of a[t, k] * w[o, k], in int32, exact: |s| <= 127 * 127 * K, so K <= 133,152
//   outputs     y[t, o] = s[t, o] * (step[t] * scale[o]) + centre[t] * row_sum[o] (+ bias[o]), in fp32,
//                 row_sum[o] = scale[o] * sum over k of w[o, k]
//
// A token's numbers depend on nothing but that token, so a sentence is scored alike whatever stands beside it. The
// integers are the same at every instruction level, and since sums of integers have no order, so are the outputs up to
// the last rounding of the fp32 ones. How a level comes to s is its own affair:
//
//   VNNI        vpdpbusd of the unsigned a + 128 with w, less 128 * (sum of w), which packing leaves beside each panel
//   otherwise   vpmaddwd of both widened to 16 bits, which holds every sum of two products. Not vpmaddubsw of a + 128, whose
//               16 bits do not hold 2 * 255 * 127.
//
// `values` and `packed` are laid out as the level likes and read by its kernels alone.
#pragma once

#include <cstdint>

namespace permafrost {

struct Int8Product {
  int64_t M, N, K;
  // M rows as `quantize_rows` left them.
  const uint8_t* values;
  const float *step, *centre;  // [M]
  // As `pack_weights` left them. Where they hold more than N rows, the first N are taken.
  const uint8_t* packed;
  const float *scale, *row_sum;  // [N]
  const float* bias;             // [N], or null
  float* y;                      // [M, N], rows `y_row` apart
  int64_t y_row;
  int activation = -1;           // of the outputs: a kind of `activate`, or -1 for none
};

struct Int8Kernels {
  // Bytes of a row of K rounded numbers.
  int64_t (*row_bytes)(int64_t K);
  // values[m], step[m] and centre[m] of each of M rows of K numbers, rows `x_row` apart.
  void (*quantize_rows)(const float* x, int64_t x_row, int64_t M, int64_t K, uint8_t* values, float* step, float* centre);
  // Bytes that N rows of K weights take when packed.
  int64_t (*packed_bytes)(int64_t N, int64_t K);
  // weights: [N, K], from -127 to 127
  void (*pack_weights)(const int8_t* weights, int64_t N, int64_t K, uint8_t* packed);
  // On all threads.
  void (*product)(const Int8Product& product);
};

}  // namespace permafrost
