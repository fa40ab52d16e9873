// The fused CPU kernels as plain functions over pointers, compiled once for each instruction level.
//
// Rows are contiguous unless a stride is given. Shapes: T tokens, H hidden, N heads, D = H / N.
// A null pointer for a gradient means that nobody wants it.
#pragma once

#include <cstdint>

namespace permafrost {

// What a kernel needs of a Dropout; threshold 0 means that it is off.
struct Mask {
  uint32_t key0, key1, site, pass, threshold;
  float scale;
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
struct Relative {
  const int32_t* of_distance;
  int64_t zero;
  const float* rows;
  int64_t count;
  bool content_to_position, position_to_content;
};

struct CpuKernels {
  // sum[t] = word[ids[t]] + token_type + position[positions[t]]; the last two may be null
  void (*embed)(const int32_t* ids, const int32_t* positions, const float* word, const float* position,
                const float* token_type, float* sum, int64_t T, int64_t H);
  // table[rows[t]] += dsum[t] for every t whose row is not `skipped`
  void (*scatter_rows)(const int32_t* rows, int64_t skipped, const float* dsum, float* table, int64_t T, int64_t H);

  // sum <- residual + mask(sum + bias); y = LayerNorm(sum)
  void (*layer_norm)(float* sum, const float* bias, const float* residual, Mask mask, const float* weight,
                     const float* norm_bias, float eps, float* y, float* mean, float* rstd, int64_t T, int64_t H);
  // dweight, dnorm_bias (+)= column sums; to be called before the rows, which may overwrite dy
  void (*layer_norm_columns)(const float* dy, const float* sum, const float* mean, const float* rstd, float* dweight,
                             bool add_weight, float* dnorm_bias, bool add_bias, int64_t T, int64_t H);
  void (*layer_norm_rows)(const float* dy, const float* sum, const float* mean, const float* rstd, const float* weight,
                          Mask mask, float* dsum, float* dbranch, int64_t T, int64_t H);

  // pre <- pre + bias; y = activation(pre). kind: 0 gelu, 1 gelu_new, 2 relu
  void (*activate)(int kind, float* pre, const float* bias, float* y, int64_t rows, int64_t columns);
  // dy <- dy * activation'(pre)
  void (*activate_backward)(int kind, float* dy, const float* pre, int64_t count);

  void (*dropout)(float* x, Mask mask, int64_t rows, int64_t columns);
  // sums (+)= column sums of x
  void (*column_sums)(const float* x, float* sums, bool add, int64_t rows, int64_t columns);

  // Floats of scratch that each thread needs for sequences of at most `longest` tokens.
  int64_t (*attention_scratch)(int64_t longest, int64_t D);
  void (*attention)(Sequences sequences, const float* qkv, float* y, float* lse, Mask mask, int64_t N, int64_t D,
                    float* scratch, int64_t scratch_stride);
  void (*attention_backward)(Sequences sequences, const float* dy, const float* qkv, const float* y, const float* lse,
                             float* dqkv, Mask mask, int64_t N, int64_t D, float* scratch, int64_t scratch_stride);

  // The same for disentangled attention. The gradients of the relative rows are written in `groups` parts, each
  // [relative.count, 2H] and to be added up, since sequences share them; a null pointer where nobody wants them.
  int64_t (*disentangled_scratch)(int64_t longest, int64_t rows, int64_t D);
  void (*disentangled_attention)(Sequences sequences, const float* qkv, Relative relative, float* y, float* lse,
                                 Mask mask, int64_t N, int64_t D, float* scratch, int64_t scratch_stride);
  void (*disentangled_attention_backward)(Sequences sequences, const float* dy, const float* qkv, Relative relative,
                                          const float* y, const float* lse, float* dqkv, float* drelative,
                                          int64_t groups, Mask mask, int64_t N, int64_t D, float* scratch,
                                          int64_t scratch_stride);

  // losses[t] = cross-entropy of a labelled row, 0 of one with the label `ignored`; dlogits = scale times
  // its gradient, may be the logits themselves
  void (*cross_entropy)(const float* logits, const int32_t* labels, int32_t ignored, float scale, float* dlogits,
                        double* losses, int64_t T, int64_t C);

  // partial[i] = sum of squares of the i-th chunk of `chunk` elements
  void (*squares)(const float* x, double* partial, int64_t count, int64_t chunk);
  void (*adamw)(float* value, const float* grad, float* exp_avg, float* exp_avg_sq, AdamWConstants constants,
                int64_t count);
};

// The kernels for the best instruction level of this processor.
const CpuKernels& cpu_kernels();

// Those of one level by name, or null where the build or the processor lacks it. For tests.
const CpuKernels* cpu_kernels_of(const char* level);

}  // namespace permafrost
