// The fused CPU kernels as plain functions over pointers, compiled once for each instruction level.
//
// Rows are contiguous unless a stride is given. Shapes: T tokens, H hidden, N heads, D = H / N.
// A null pointer for a gradient means that nobody wants it. Activations and their gradients are of a type X, float or
// bf16; whatever else there is, and what is computed with, is float.
#pragma once

#include <cstdint>

#include "ops/cpu/bf16.h"
#include "ops/cpu/int8.h"

namespace permafrost {

// What a kernel needs of a Dropout; threshold 0 means that it is off.
struct Mask {
  uint32_t key0, key1, site, pass;
  uint32_t threshold;  // of 16 bits
  float scale;
  const int32_t* rows;  // numbers of its rows; null: 0, 1, 2, ...
};

struct AdamWConstants {
  float decay;         // 1 - learning rate * weight decay
  float grad_scale;
  float beta1, beta2;
  float one_minus_beta1, one_minus_beta2;
  float sqrt_correction2;
  float eps;
  float step_size;     // learning rate / correction1
};

struct Sequences {
  const int32_t* borders;  // [count + 1]
  int64_t count;
};

// Queries and keys of the relative rows in use: rows[count][2H]. The row of query i and key j is
// of_distance[zero + i - j].
template <typename X>
struct Relative {
  const int32_t* of_distance;
  int64_t zero;
  const X* rows;
  int64_t count;
  bool content_to_position, position_to_content;
};

// Column sums are first taken over so many rows at a time, by whichever thread computes the rows, so that they cost no
// pass of their own and the number of threads changes no result.
constexpr int64_t kRowsOfPart = 16;
inline int64_t parts_of(int64_t rows) { return (rows + kRowsOfPart - 1) / kRowsOfPart; }

// Parts of the sums that a LayerNorm's way back leaves, [parts_of(T), H] each: of the gradients of its weight and its
// bias, and of the gradient behind the dropout, which may be null.
struct NormParts {
  float *weight, *norm_bias, *bias;
};

// Weights up to so many elements stay in a cache. They are multiplied by the kernel `product`, not by a library, which
// loses a good part of so short a time to calls, copies and threads that wait for one another.
constexpr int64_t kSmallWeights = 1 << 18;

// Types of the matrices of a product. Sums are taken in fp32, whatever the factors.
enum class Number : int8_t { fp32, bf16 };

// C[M, N] = A[M, K] B[K, N], or C += A B where `add`. Rows of C are contiguous, A and B of any strides, which count
// elements. Where asked for, a bias and an activation follow before C is stored.
//
// Every element is summed up in an order that depends on K alone: neither M, nor N, nor the number of threads, nor
// whether B was packed beforehand changes a bit of it.
struct Product {
  int64_t M, N, K;
  const void* a;
  int64_t a_row, a_column;
  const void* b;  // not read where it is packed
  int64_t b_row, b_column;
  void* c;
  int64_t c_row;
  bool add = false;
  Number factors = Number::fp32;  // of A and B
  Number result = Number::fp32;   // of C and `pre`
  const float* packed = nullptr;  // B as `pack_product` left it
  const float* bias = nullptr;    // [N], added to the sum
  int activation = -1;            // of the sum: a kind of `activate`, or -1 for none; not where `add`
  void* pre = nullptr;            // [M, N], rows as those of C: receives what the activation is given
};

// Those that read or write activations.
template <typename X>
struct ActivationKernels {
  // table[rows[t]] += dsum[t] for every t whose row is not `skipped`
  void (*scatter_rows)(const int32_t* rows, int64_t skipped, const X* dsum, float* table, int64_t T, int64_t H);

  // sum <- residual + mask(sum + bias); y = LayerNorm(sum)
  void (*layer_norm)(float* sum, const float* bias, const X* residual, Mask mask, const float* weight,
                     const float* norm_bias, float eps, X* y, float* mean, float* rstd, int64_t T, int64_t H);
  // Gradients of the sum and of the branch behind the dropout, either of which may be dy.
  void (*layer_norm_backward)(const X* dy, const float* sum, const float* mean, const float* rstd, const float* weight,
                              Mask mask, X* dsum, X* dbranch, NormParts parts, int64_t T, int64_t H);

  // pre <- pre + bias; y = activation(pre). kind: 0 gelu, 1 gelu_new, 2 relu
  void (*activate)(int kind, X* pre, const float* bias, X* y, int64_t rows, int64_t columns);
  // dy <- dy * activation'(pre); y, which may be pre or null: activation(pre); parts: of the column sums of dy, or null
  void (*activate_backward)(int kind, X* dy, const X* pre, X* y, float* parts, int64_t rows, int64_t columns);

  void (*dropout)(X* x, Mask mask, int64_t rows, int64_t columns);
  // sums (+)= column sums of x
  void (*column_sums)(const X* x, float* sums, bool add, int64_t rows, int64_t columns);

  // Floats of scratch that each thread needs for sequences of at most `longest` tokens.
  int64_t (*attention_scratch)(int64_t longest, int64_t D);
  // qkv <- qkv + bias, which may be null; y: the mean of the values
  void (*attention)(Sequences sequences, X* qkv, const float* bias, X* y, float* lse, Mask mask, int64_t N, int64_t D,
                    float* scratch, int64_t scratch_stride);
  void (*attention_backward)(Sequences sequences, const X* dy, const X* qkv, const X* y, const float* lse, X* dqkv,
                             Mask mask, int64_t N, int64_t D, float* scratch, int64_t scratch_stride);

  // The same for disentangled attention. The gradients of the relative rows are written in `groups` parts, each
  // [relative.count, 2H] and to be added up, since sequences share them; a null pointer where nobody wants them.
  int64_t (*disentangled_scratch)(int64_t longest, int64_t rows, int64_t D);
  void (*disentangled_attention)(Sequences sequences, X* qkv, const float* bias, Relative<X> relative, X* y, float* lse,
                                 Mask mask, int64_t N, int64_t D, float* scratch, int64_t scratch_stride);
  void (*disentangled_attention_backward)(Sequences sequences, const X* dy, const X* qkv, Relative<X> relative,
                                          const X* y, const float* lse, X* dqkv, float* drelative, int64_t groups,
                                          Mask mask, int64_t N, int64_t D, float* scratch, int64_t scratch_stride);

  // losses[t] = cross-entropy of a labelled row, 0 of one with the label `ignored`; dlogits = scale times
  // its gradient, may be the logits themselves
  void (*cross_entropy)(const X* logits, const int32_t* labels, int32_t ignored, float scale, X* dlogits,
                        double* losses, int64_t T, int64_t C);
};

struct CpuKernels {
  ActivationKernels<float> of_float;
  ActivationKernels<bf16> of_bf16;

  // On all threads. scratch: of `product_scratch` floats.
  void (*product)(const Product& product, float* scratch);
  int64_t (*product_scratch)(const Product& product, int64_t threads);
  // A factor B[K, N] of any strides as `product` reads it; for weights that are multiplied more than once.
  // Row i of a weight W[O, I] is B's column i in y = x W^T (N = O, K = I) and its row i in dx = dy W (N = I, K = O).
  void (*pack_product)(Number factors, const void* b, int64_t b_row, int64_t b_column, int64_t N, int64_t K,
                       float* packed);
  // Floats that it takes. Of the best speed where they begin at a multiple of 64 bytes.
  int64_t (*packed_product)(Number factors, int64_t N, int64_t K);

  // sum[t] = word[ids[t]] + token_type + position[positions[t]]; the last two may be null
  void (*embed)(const int32_t* ids, const int32_t* positions, const float* word, const float* position,
                const float* token_type, float* sum, int64_t T, int64_t H);

  // partial[i] = sum of squares of the i-th chunk of `chunk` elements
  void (*squares)(const float* x, double* partial, int64_t count, int64_t chunk);
  // rounded: what becomes the new value at the lower precision; may be null
  void (*adamw)(float* value, const float* grad, float* exp_avg, float* exp_avg_sq, bf16* rounded,
                AdamWConstants constants, int64_t count);
  // The same on `count` rows of tables of H columns: with a gradient of zero, row rows[i] for the constants from
  // first[i] to `steps`; and with the rows of a gradient.
  void (*adamw_rows)(const int32_t* rows, const int32_t* first, int64_t count, const AdamWConstants* constants,
                     int64_t steps, float* value, float* exp_avg, float* exp_avg_sq, int64_t H);
  void (*adamw_gradient_rows)(const int32_t* rows, int64_t count, AdamWConstants constants, const float* grad,
                              float* value, float* exp_avg, float* exp_avg_sq, int64_t H);

  Int8Kernels int8;
};

// The kernels for the best instruction level of this processor.
const CpuKernels& cpu_kernels();

// Those of one level by name, or null where the build or the processor lacks it. For tests.
const CpuKernels* cpu_kernels_of(const char* level);

}  // namespace permafrost
