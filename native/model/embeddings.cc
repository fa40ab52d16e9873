#include "model/embeddings.h"

namespace permafrost {

namespace {

Dropout dropout_of(const PassContext& context) {
  return context.dropout_at(DropoutPlace::embeddings, kEmbeddings, context.config.hidden_dropout);
}

}  // namespace

at::Tensor embed(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations* kept) {
  const int64_t num_tokens = context.num_tokens();
  const int64_t hidden = context.config.hidden_size;
  at::Tensor sum_TH = context.empty_fp32({num_tokens, hidden});
  at::Tensor hidden_TH = context.empty({num_tokens, hidden});
  at::Tensor mean_T = context.empty_fp32({num_tokens});
  at::Tensor rstd_T = context.empty_fp32({num_tokens});
  context.ops.embed(context.batch, weights.word->value, weights.position->value, weights.token_type->value, sum_TH);
  context.ops.layer_norm(sum_TH, {}, {}, {}, weights.norm.weight->value, weights.norm.bias->value,
                         context.config.layer_norm_eps, hidden_TH, mean_T, rstd_T);
  context.ops.dropout(hidden_TH, dropout_of(context));
  if (kept != nullptr) *kept = {sum_TH, mean_T, rstd_T};
  return hidden_TH;
}

void embed_backward(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations& kept,
                    at::Tensor dhidden_TH) {
  context.ops.dropout(dhidden_TH, dropout_of(context));
  context.ops.layer_norm_backward(dhidden_TH, kept.sum_TH, kept.mean_T, kept.rstd_T, weights.norm.weight->value, {},
                                  dhidden_TH, dhidden_TH, context.sink(*weights.norm.weight),
                                  context.sink(*weights.norm.bias), {});
  GradSink dword = context.sink(*weights.word);
  // A tied decoder has left its part of the gradient there.
  if (context.config.head == Head::masked_lm) dword.accumulate = true;
  context.ops.embed_backward(context.batch, dhidden_TH, context.config.pad_token_id, dword,
                             context.sink(*weights.position), context.sink(*weights.token_type));
  kept = {};
}

}  // namespace permafrost
