#include "ops/cpu/fused_cpu_ops.h"

#include <omp.h>

#include <algorithm>
#include <cmath>

namespace permafrost {

namespace {

// Where a tensor's numbers lie, as a kernel takes them; null where it is undefined. libtorch checks the type.
class Numbers {
 public:
  explicit Numbers(const at::Tensor& x) : x_(x) {}
  operator float*() const { return x_.defined() ? x_.data_ptr<float>() : nullptr; }
  operator bf16*() const {
    static_assert(sizeof(bf16) == sizeof(at::BFloat16));
    return x_.defined() ? reinterpret_cast<bf16*>(x_.data_ptr<at::BFloat16>()) : nullptr;
  }

 private:
  const at::Tensor& x_;
};

Numbers data(const at::Tensor& x) { return Numbers(x); }
float* data(const GradSink& sink) { return sink.wanted() ? sink.grad.data_ptr<float>() : nullptr; }

// Calls body with the kernels for activations of x's type.
template <typename Body>
void with_type_of(const at::Tensor& x, const CpuKernels& kernels, const Body& body) {
  if (x.scalar_type() == at::kBFloat16) {
    body(kernels.of_bf16);
  } else {
    body(kernels.of_float);
  }
}

Mask mask_of(const Dropout& dropout) {
  if (!dropout.on()) return {0, 0, 0, 0, 0, 1.0f, nullptr};
  return {static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32), dropout.site, dropout.pass,
          dropout.threshold(), dropout.scale(), dropout.rows};
}

int kind_of(Activation activation) { return static_cast<int>(activation); }

Sequences sequences_of(const BatchTensors& batch) {
  return {batch.cu_seqlens->data(), static_cast<int64_t>(batch.cu_seqlens->size()) - 1};
}

int64_t longest_of(const BatchTensors& batch) {
  const std::vector<int32_t>& borders = *batch.cu_seqlens;
  int64_t longest = 0;
  for (size_t i = 1; i < borders.size(); ++i) longest = std::max<int64_t>(longest, borders[i] - borders[i - 1]);
  return longest;
}

template <typename X>
Relative<X> relative_of(const ActivationKernels<X>&, const RelativeRows& rows, const at::Tensor& relative_S2H) {
  return {rows.of_distance.data(), rows.longest - 1,         data(relative_S2H),
          rows.count,              rows.content_to_position, rows.position_to_content};
}

// Parts of a batch whose gradients of the relative rows are added up side by side. A constant, so that the number
// of threads changes no result.
constexpr int64_t kRelativeGroups = 4;

AdamWConstants constants_of(const AdamWStep& step) {
  const double correction1 = 1.0 - std::pow(step.beta1, static_cast<double>(step.step));
  const double correction2 = 1.0 - std::pow(step.beta2, static_cast<double>(step.step));
  AdamWConstants constants;
  constants.decay = static_cast<float>(1.0 - step.learning_rate * step.weight_decay);
  constants.grad_scale = static_cast<float>(step.grad_scale);
  constants.beta1 = static_cast<float>(step.beta1);
  constants.beta2 = static_cast<float>(step.beta2);
  constants.one_minus_beta1 = static_cast<float>(1.0 - step.beta1);
  constants.one_minus_beta2 = static_cast<float>(1.0 - step.beta2);
  constants.sqrt_correction2 = static_cast<float>(std::sqrt(correction2));
  constants.eps = static_cast<float>(step.eps);
  constants.step_size = static_cast<float>(step.learning_rate / correction1);
  return constants;
}

// Clears a table of gradients that rows are then added to.
void clear_unless_accumulated(const GradSink& sink) {
  if (sink.accumulate) return;
  if (sink.rows == nullptr) {
    at::Tensor(sink.grad).zero_();
    return;
  }
  const int64_t columns = sink.grad.size(1);
  for (const int32_t row : *sink.rows) std::fill_n(data(sink) + row * columns, columns, 0.0f);
  sink.rows->clear();
}

// Adds the rows of a batch to those of a gradient that is kept by rows.
void note_rows(const GradSink& sink, const at::Tensor& rows_T) {
  if (sink.rows == nullptr) return;
  const int32_t* rows = rows_T.data_ptr<int32_t>();
  sink.rows->insert(sink.rows->end(), rows, rows + rows_T.numel());
  std::sort(sink.rows->begin(), sink.rows->end());
  sink.rows->erase(std::unique(sink.rows->begin(), sink.rows->end()), sink.rows->end());
}

}  // namespace

void FusedCpuOps::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart) {
  if (weight.int8) return int8_products_.linear(y_TO, x_TI, *weight.int8);
  products_.linear(y_TO, x_TI, weight, rows_apart);
}

void FusedCpuOps::affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias) {
  products_.affine(y_TO, x_TI, weight, bias);
}

void FusedCpuOps::linear_activated(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight,
                                   const Parameter& bias, Activation activation, bool rows_apart) {
  if (weight.int8) return int8_products_.linear(y_TO, x_TI, *weight.int8, bias.value, kind_of(activation));
  Ops::linear_activated(y_TO, x_TI, weight, bias, activation, rows_apart);
}

void FusedCpuOps::linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) {
  products_.linear_backward(dx_TI, dy_TO, weight, add);
}

Int8Weight FusedCpuOps::pack(Int8Weight weight) { return int8_products_.pack(std::move(weight)); }

void FusedCpuOps::weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight) {
  at::Tensor grad_OI = dweight.grad;
  products_.weight_gradient(grad_OI, dy_TO, x_TI, dweight.accumulate);
}

void FusedCpuOps::embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                        const at::Tensor& token_type_YH, at::Tensor& sum_TH) {
  kernels_.embed(batch.input_ids_T.data_ptr<int32_t>(), batch.positions_T.data_ptr<int32_t>(), data(word_VH),
                 data(position_PH), data(token_type_YH), data(sum_TH), sum_TH.size(0), sum_TH.size(1));
}

void FusedCpuOps::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                                 const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  const int64_t num_tokens = dsum_TH.size(0);
  const int64_t hidden = dsum_TH.size(1);
  if (dword.wanted()) {
    clear_unless_accumulated(dword);
    note_rows(dword, batch.input_ids_T);
  }
  if (dposition.wanted()) clear_unless_accumulated(dposition);
  if (dtoken_type.wanted()) clear_unless_accumulated(dtoken_type);
  with_type_of(dsum_TH, kernels_, [&](const auto& kernels) {
    if (dword.wanted()) {
      kernels.scatter_rows(batch.input_ids_T.data_ptr<int32_t>(), pad_token_id, data(dsum_TH), data(dword), num_tokens,
                           hidden);
    }
    if (dposition.wanted()) {
      kernels.scatter_rows(batch.positions_T.data_ptr<int32_t>(), batch.position_base, data(dsum_TH), data(dposition),
                           num_tokens, hidden);
    }
    // All tokens are of type 0.
    if (dtoken_type.wanted()) kernels.column_sums(data(dsum_TH), data(dtoken_type), true, num_tokens, hidden);
  });
}

void FusedCpuOps::layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                             const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H,
                             double eps, at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) {
  sum_TH = sum_TH.to(at::kFloat);
  with_type_of(y_TH, kernels_, [&](const auto& kernels) {
    kernels.layer_norm(data(sum_TH), data(bias_H), data(residual_TH), mask_of(dropout), data(weight_H),
                       data(norm_bias_H), static_cast<float>(eps), data(y_TH), data(mean_T), data(rstd_T),
                       sum_TH.size(0), sum_TH.size(1));
  });
}

void FusedCpuOps::layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                                      const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                                      at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                                      const GradSink& dnorm_bias, const GradSink& dbias) {
  const int64_t num_tokens = dy_TH.size(0);
  const int64_t hidden = dy_TH.size(1);
  const int64_t size = parts_of(num_tokens) * hidden;
  float* weight_parts = parts(3 * size);
  const NormParts norm_parts{weight_parts, weight_parts + size, dbias.wanted() ? weight_parts + 2 * size : nullptr};
  with_type_of(dy_TH, kernels_, [&](const auto& kernels) {
    kernels.layer_norm_backward(data(dy_TH), data(sum_TH), data(mean_T), data(rstd_T), data(weight_H), mask_of(dropout),
                                data(dsum_TH), data(dbranch_TH), norm_parts, num_tokens, hidden);
  });
  add_parts(norm_parts.weight, num_tokens, dweight);
  add_parts(norm_parts.norm_bias, num_tokens, dnorm_bias);
  add_parts(norm_parts.bias, num_tokens, dbias);
}

void FusedCpuOps::activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) {
  with_type_of(pre_TI, kernels_, [&](const auto& kernels) {
    kernels.activate(kind_of(activation), data(pre_TI), data(bias_I), data(y_TI), pre_TI.size(0), pre_TI.size(1));
  });
}

void FusedCpuOps::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                    const GradSink& dbias) {
  activate_backward(dy_TI, pre_TI, activation, at::Tensor(), dbias);
}

void FusedCpuOps::activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation,
                                    const GradSink& dbias) {
  activate_backward(dy_TI, pre_TI, activation, pre_TI, dbias);
}

void FusedCpuOps::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                    const at::Tensor& y_TI, const GradSink& dbias) {
  float* dbias_parts = dbias.wanted() ? parts(parts_of(dy_TI.size(0)) * dy_TI.size(1)) : nullptr;
  with_type_of(dy_TI, kernels_, [&](const auto& kernels) {
    kernels.activate_backward(kind_of(activation), data(dy_TI), data(pre_TI), data(y_TI), dbias_parts, dy_TI.size(0),
                              dy_TI.size(1));
  });
  add_parts(dbias_parts, dy_TI.size(0), dbias);
}

void FusedCpuOps::attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                            int64_t num_heads, const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  const int64_t head_size = y_TH.size(1) / num_heads;
  with_type_of(y_TH, kernels_, [&](const auto& kernels) {
    const Scratch buffers = scratch(kernels.attention_scratch(longest_of(batch), head_size));
    kernels.attention(sequences_of(batch), data(qkv_T3H), data(bias_3H), data(y_TH), data(lse_TN), mask_of(dropout),
                      num_heads, head_size, buffers.data, buffers.stride);
  });
}

void FusedCpuOps::attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                     const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                     const Dropout& dropout, at::Tensor& dqkv_T3H) {
  const int64_t head_size = y_TH.size(1) / num_heads;
  with_type_of(y_TH, kernels_, [&](const auto& kernels) {
    const Scratch buffers = scratch(kernels.attention_scratch(longest_of(batch), head_size));
    kernels.attention_backward(sequences_of(batch), data(dy_TH), data(qkv_T3H), data(y_TH), data(lse_TN),
                               data(dqkv_T3H), mask_of(dropout), num_heads, head_size, buffers.data, buffers.stride);
  });
}

void FusedCpuOps::disentangled_attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                                         const RelativeRows& rows, const at::Tensor& relative_S2H, int64_t num_heads,
                                         const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  const int64_t head_size = y_TH.size(1) / num_heads;
  with_type_of(y_TH, kernels_, [&](const auto& kernels) {
    const Scratch buffers = scratch(kernels.disentangled_scratch(longest_of(batch), rows.count, head_size));
    kernels.disentangled_attention(sequences_of(batch), data(qkv_T3H), data(bias_3H),
                                   relative_of(kernels, rows, relative_S2H), data(y_TH), data(lse_TN),
                                   mask_of(dropout), num_heads, head_size, buffers.data, buffers.stride);
  });
}

void FusedCpuOps::disentangled_attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH,
                                                  const at::Tensor& qkv_T3H, const RelativeRows& rows,
                                                  const at::Tensor& relative_S2H, const at::Tensor& y_TH,
                                                  const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                                                  at::Tensor& dqkv_T3H, at::Tensor& drelative_S2H) {
  const int64_t head_size = y_TH.size(1) / num_heads;
  const Sequences sequences = sequences_of(batch);
  const int64_t groups = std::min(kRelativeGroups, sequences.count);
  const int64_t part = drelative_S2H.defined() ? drelative_S2H.numel() : 0;
  relative_parts_.resize(static_cast<size_t>(groups * part));
  float* parts = drelative_S2H.defined() ? relative_parts_.data() : nullptr;
  with_type_of(y_TH, kernels_, [&](const auto& kernels) {
    const Scratch buffers = scratch(kernels.disentangled_scratch(longest_of(batch), rows.count, head_size));
    kernels.disentangled_attention_backward(sequences, data(dy_TH), data(qkv_T3H),
                                            relative_of(kernels, rows, relative_S2H), data(y_TH), data(lse_TN),
                                            data(dqkv_T3H), parts, groups, mask_of(dropout), num_heads, head_size,
                                            buffers.data, buffers.stride);
  });
  if (parts == nullptr) return;
  at::Tensor sums_S2H = drelative_S2H.scalar_type() == at::kFloat
                            ? drelative_S2H
                            : at::empty(drelative_S2H.sizes(), drelative_S2H.options().dtype(at::kFloat));
  kernels_.of_float.column_sums(parts, data(sums_S2H), false, groups, part);
  if (!sums_S2H.is_same(drelative_S2H)) drelative_S2H.copy_(sums_S2H);
}

void FusedCpuOps::dropout(at::Tensor& x_TH, const Dropout& dropout) {
  if (!dropout.on()) return;
  with_type_of(x_TH, kernels_, [&](const auto& kernels) {
    kernels.dropout(data(x_TH), mask_of(dropout), x_TH.size(0), x_TH.size(1));
  });
}

void FusedCpuOps::bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) {
  if (!dbias.wanted()) return;
  with_type_of(dy_TH, kernels_, [&](const auto& kernels) {
    kernels.column_sums(data(dy_TH), data(dbias), dbias.accumulate, dy_TH.size(0), dy_TH.size(1));
  });
}

double FusedCpuOps::cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, double scale,
                                  at::Tensor& dlogits_TC) {
  partial_.resize(static_cast<size_t>(logits_TC.size(0)));
  with_type_of(logits_TC, kernels_, [&](const auto& kernels) {
    kernels.cross_entropy(data(logits_TC), labels_T.data_ptr<int32_t>(), kIgnoredLabel, static_cast<float>(scale),
                          data(dlogits_TC), partial_.data(), logits_TC.size(0), logits_TC.size(1));
  });
  double loss = 0;
  for (const double part : partial_) loss += part;
  return loss;
}

void FusedCpuOps::argmax(const at::Tensor& logits_TC, int32_t* labels_T) {
  const int64_t num_labels = logits_TC.size(1);
  const at::Tensor exact_TC = logits_TC.to(at::kFloat);
  for (int64_t t = 0; t < logits_TC.size(0); ++t) {
    const float* logits = exact_TC.data_ptr<float>() + t * num_labels;
    labels_T[t] = static_cast<int32_t>(std::max_element(logits, logits + num_labels) - logits);
  }
}

double FusedCpuOps::squared_norm(const at::Tensor& x) {
  constexpr int64_t kChunk = 8192;
  partial_.resize(static_cast<size_t>((x.numel() + kChunk - 1) / kChunk));
  kernels_.squares(data(x), partial_.data(), x.numel(), kChunk);
  double sum = 0;
  for (const double part : partial_) sum += part;
  return sum;
}

void FusedCpuOps::adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                        at::Tensor& rounded, const AdamWStep& step) {
  kernels_.adamw(data(value), data(grad), data(exp_avg), data(exp_avg_sq), data(rounded), constants_of(step),
                 value.numel());
}

void FusedCpuOps::adamw_rows(const std::vector<int32_t>& rows, const std::vector<int32_t>& first,
                             const std::vector<AdamWStep>& steps, at::Tensor& value, at::Tensor& exp_avg,
                             at::Tensor& exp_avg_sq) {
  std::vector<AdamWConstants> constants;
  constants.reserve(steps.size());
  for (const AdamWStep& step : steps) constants.push_back(constants_of(step));
  kernels_.adamw_rows(rows.data(), first.data(), static_cast<int64_t>(rows.size()), constants.data(),
                      static_cast<int64_t>(steps.size()), data(value), data(exp_avg), data(exp_avg_sq), value.size(1));
}

void FusedCpuOps::adamw_rows(const std::vector<int32_t>& rows, const AdamWStep& step, const at::Tensor& grad,
                             at::Tensor& value, at::Tensor& exp_avg, at::Tensor& exp_avg_sq) {
  kernels_.adamw_gradient_rows(rows.data(), static_cast<int64_t>(rows.size()), constants_of(step), data(grad),
                               data(value), data(exp_avg), data(exp_avg_sq), value.size(1));
}

float* FusedCpuOps::parts(int64_t floats) {
  if (static_cast<int64_t>(parts_.size()) < floats) parts_.resize(static_cast<size_t>(floats));
  return parts_.data();
}

void FusedCpuOps::add_parts(const float* parts, int64_t rows, const GradSink& sink) {
  if (sink.wanted()) kernels_.of_float.column_sums(parts, data(sink), sink.accumulate, parts_of(rows), sink.grad.numel());
}

FusedCpuOps::Scratch FusedCpuOps::scratch(int64_t floats) {
  const auto needed = static_cast<size_t>(floats * omp_get_max_threads());
  if (scratch_.size() < needed) scratch_.resize(needed);
  return {scratch_.data(), floats};
}

}  // namespace permafrost
