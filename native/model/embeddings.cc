#include "model/embeddings.h"

#include "model/linear.h"

namespace permafrost {

namespace {

Dropout dropout_of(const PassContext& context) {
  return context.dropout_at(DropoutPlace::embeddings, kEmbeddings, context.config.hidden_dropout);
}

at::Tensor value_of(const Parameter* parameter) { return parameter == nullptr ? at::Tensor() : parameter->value; }

GradSink sink_of(const PassContext& context, Parameter* parameter) {
  return parameter == nullptr ? GradSink{} : context.sink(*parameter);
}

}  // namespace

at::Tensor embed(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations* kept) {
  const int64_t num_tokens = context.num_tokens();
  const int64_t size = context.config.embedding_size;
  at::Tensor sum_TE = context.empty_fp32({num_tokens, size});
  at::Tensor embedded_TE = context.empty({num_tokens, size});
  at::Tensor mean_T = context.empty_fp32({num_tokens});
  at::Tensor rstd_T = context.empty_fp32({num_tokens});
  context.ops.embed(context.batch, weights.word->value, value_of(weights.position), value_of(weights.token_type),
                    sum_TE);
  context.ops.layer_norm(sum_TE, {}, {}, {}, weights.norm.weight->value, weights.norm.bias->value,
                         context.config.layer_norm_eps, embedded_TE, mean_T, rstd_T);
  context.ops.dropout(embedded_TE, dropout_of(context));
  const bool projects = weights.project.weight != nullptr;
  if (kept != nullptr) *kept = {sum_TE, mean_T, rstd_T, projects ? embedded_TE : at::Tensor()};
  if (!projects) return embedded_TE;
  at::Tensor hidden_TH = context.empty({num_tokens, context.config.hidden_size});
  affine(context, embedded_TE, weights.project, hidden_TH);
  return hidden_TH;
}

void embed_backward(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations& kept,
                    at::Tensor dhidden_TH) {
  at::Tensor dembedded_TE = dhidden_TH;
  if (weights.project.weight != nullptr) {
    context.ops.bias_backward(dhidden_TH, context.sink(*weights.project.bias));
    linear_weight_backward(context, dhidden_TH, kept.embedded_TE, *weights.project.weight);
    dembedded_TE = kept.embedded_TE;  // its values are not needed any more
    context.ops.linear_backward(dembedded_TE, dhidden_TH, *weights.project.weight);
  }
  context.ops.dropout(dembedded_TE, dropout_of(context));
  context.ops.layer_norm_backward(dembedded_TE, kept.sum_TE, kept.mean_T, kept.rstd_T, weights.norm.weight->value, {},
                                  dembedded_TE, dembedded_TE, context.sink(*weights.norm.weight),
                                  context.sink(*weights.norm.bias), {});
  GradSink dword = context.sink(*weights.word);
  // A tied decoder has left its part of the gradient there.
  if (weights.word->tied) dword.accumulate = true;
  context.ops.embed_backward(context.batch, dembedded_TE, context.config.pad_token_id, dword,
                             sink_of(context, weights.position), sink_of(context, weights.token_type));
  kept = {};
}

}  // namespace permafrost
