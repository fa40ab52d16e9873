#include "model/masked_lm_head.h"

#include <algorithm>
#include <cmath>

#include "model/linear.h"

namespace permafrost {

namespace {

// Output of the dense map and its activation, and what their way back needs.
struct Transformed {
  at::Tensor pre_RH, activated_RH, mean_R, rstd_R;
  at::Tensor y_RH;
};

Transformed transform(const PassContext& context, const MaskedLmWeights& weights, const at::Tensor& hidden_RH) {
  const int64_t rows = hidden_RH.size(0);
  const int64_t hidden = hidden_RH.size(1);
  Transformed result{context.empty({rows, hidden}), context.empty({rows, hidden}), context.empty_fp32({rows}),
                     context.empty_fp32({rows}), context.empty({rows, hidden})};
  linear(context, hidden_RH, weights.dense, result.pre_RH);
  context.ops.activate(result.pre_RH, weights.dense.bias->value, context.config.activation, result.activated_RH);
  context.ops.layer_norm(result.activated_RH, {}, {}, {}, weights.norm.weight->value, weights.norm.bias->value,
                         context.config.layer_norm_eps, result.y_RH, result.mean_R, result.rstd_R);
  return result;
}

LinearWeights decoder_of(const Parameters& parameters) {
  return {parameters.embeddings.word, parameters.masked_lm.bias};
}

at::Tensor decode(const PassContext& context, const Parameters& parameters, const at::Tensor& y_RH) {
  at::Tensor scores_RV = context.empty({y_RH.size(0), context.config.vocab_size});
  affine(context, y_RH, decoder_of(parameters), scores_RV);
  return scores_RV;
}

// Calls body(begin, end) for parts of `count` tokens until it returns false.
template <typename Body>
void for_each_part(const PassContext& context, int64_t count, const Body& body) {
  const int64_t rows = rows_scored_at_once(context.config);
  for (int64_t begin = 0; begin < count; begin += rows) {
    if (!body(begin, std::min(begin + rows, count))) return;
  }
}

}  // namespace

at::Tensor masked_lm_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH) {
  return decode(context, parameters, transform(context, parameters.masked_lm, hidden_RH).y_RH);
}

double masked_lm_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_MH) {
  const at::Tensor labels_M = context.batch.labels(true);
  double loss_sum = 0;
  for_each_part(context, hidden_MH.size(0), [&](int64_t begin, int64_t end) {
    at::Tensor unwanted;
    loss_sum += context.ops.cross_entropy(masked_lm_scores(context, parameters, hidden_MH.slice(0, begin, end)),
                                          labels_M.slice(0, begin, end), 1, unwanted);
    return true;
  });
  return loss_sum;
}

HeadGradients masked_lm_gradients(const PassContext& context, const Parameters& parameters,
                                  const at::Tensor& hidden_MH, double scale, bool input_wanted) {
  Ops& ops = context.ops;
  const MaskedLmWeights& weights = parameters.masked_lm;
  const LinearWeights decoder = decoder_of(parameters);
  const at::Tensor labels_M = context.batch.labels(true);
  const Transformed kept = transform(context, weights, hidden_MH);

  HeadGradients result;
  at::Tensor dy_MH = context.empty(hidden_MH.sizes());
  for_each_part(context, hidden_MH.size(0), [&](int64_t begin, int64_t end) {
    const at::Tensor y_RH = kept.y_RH.slice(0, begin, end);
    at::Tensor scores_RV = decode(context, parameters, y_RH);
    result.loss_sum += ops.cross_entropy(scores_RV, labels_M.slice(0, begin, end), scale, scores_RV);
    if (!std::isfinite(result.loss_sum)) return false;
    PassContext part = context;
    part.accumulate = context.accumulate || begin > 0;
    ops.bias_backward(scores_RV, part.sink(*decoder.bias));
    linear_weight_backward(part, scores_RV, y_RH, *decoder.weight);
    at::Tensor dy_RH = dy_MH.slice(0, begin, end);
    ops.product(dy_RH, scores_RV, decoder.weight->operand());
    return true;
  });
  if (!std::isfinite(result.loss_sum)) return result;

  ops.layer_norm_backward(dy_MH, kept.activated_RH, kept.mean_R, kept.rstd_R, weights.norm.weight->value, {}, dy_MH,
                          dy_MH, context.sink(*weights.norm.weight), context.sink(*weights.norm.bias), {});
  ops.activate_backward(dy_MH, kept.pre_RH, context.config.activation, context.sink(*weights.dense.bias));
  linear_weight_backward(context, dy_MH, hidden_MH, *weights.dense.weight);
  if (!input_wanted) return result;
  result.dhidden_RH = context.empty(hidden_MH.sizes());
  ops.product(result.dhidden_RH, dy_MH, weights.dense.weight->operand());
  return result;
}

}  // namespace permafrost
