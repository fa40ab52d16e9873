#include "model/layer.h"

#include "model/linear.h"

namespace permafrost {

namespace {

struct LayerDropout {
  Dropout attention, attention_output, output, relative;

  LayerDropout(const PassContext& context, int64_t layer)
      : attention(context.dropout_at(DropoutPlace::attention, layer, context.config.attention_dropout)),
        attention_output(context.dropout_at(DropoutPlace::attention_output, layer, context.config.hidden_dropout)),
        output(context.dropout_at(DropoutPlace::output, layer, context.config.hidden_dropout)),
        relative(context.dropout_at(DropoutPlace::relative, layer, context.config.hidden_dropout)) {}
};

bool learns(const LinearWeights& linear) { return linear.weight->requires_grad || linear.bias->requires_grad; }
bool learns(const NormWeights& norm) { return norm.weight->requires_grad || norm.bias->requires_grad; }

// The buffer for the gradient behind a dropout: the gradient itself where the dropout is off.
at::Tensor branch_of(const PassContext& context, const Dropout& dropout, const at::Tensor& dsum_TH) {
  return dropout.on() ? context.empty(dsum_TH.sizes()) : dsum_TH;
}

}  // namespace

LayerNeeds::LayerNeeds(const LayerWeights& weights, bool input_wanted) : input(input_wanted) {
  attention = input || learns(weights.qkv);
  middle = attention || learns(weights.output) || learns(weights.attention_norm);
  feed_forward = middle || learns(weights.up);
}

at::Tensor layer_forward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                         const at::Tensor& x_TH, LayerActivations* kept) {
  const EncoderConfig& config = context.config;
  Ops& ops = context.ops;
  const int64_t num_tokens = x_TH.size(0);
  const int64_t hidden = config.hidden_size;
  const LayerDropout dropout(context, layer);
  const double eps = config.layer_norm_eps;

  at::Tensor qkv_T3H = context.empty({num_tokens, 3 * hidden});
  linear(x_TH, weights.qkv, true, qkv_T3H);
  at::Tensor context_TH = context.empty({num_tokens, hidden});
  at::Tensor lse_TN = context.empty_fp32({num_tokens, config.num_heads});
  RelativeActivations relative;
  if (context.relative == nullptr) {
    ops.attention(context.batch, qkv_T3H, config.num_heads, dropout.attention, context_TH, lse_TN);
  } else {
    relative = project_relative(context, weights.qkv, dropout.relative);
    ops.disentangled_attention(context.batch, qkv_T3H, context.relative->rows, relative.projected_S2H,
                               config.num_heads, dropout.attention, context_TH, lse_TN);
  }

  at::Tensor attention_sum_TH = context.empty({num_tokens, hidden});
  const at::Tensor output_bias_H = linear_but_bias(context, context_TH, weights.output, attention_sum_TH);
  at::Tensor middle_TH = context.empty({num_tokens, hidden});
  at::Tensor attention_mean_T = context.empty_fp32({num_tokens});
  at::Tensor attention_rstd_T = context.empty_fp32({num_tokens});
  ops.layer_norm(attention_sum_TH, output_bias_H, x_TH, dropout.attention_output,
                 weights.attention_norm.weight->value, weights.attention_norm.bias->value, eps, middle_TH,
                 attention_mean_T, attention_rstd_T);

  at::Tensor pre_TI = context.empty({num_tokens, config.intermediate_size});
  const at::Tensor up_bias_I = linear_but_bias(context, middle_TH, weights.up, pre_TI);
  at::Tensor activated_TI = context.empty({num_tokens, config.intermediate_size});
  ops.activate(pre_TI, up_bias_I, config.activation, activated_TI);

  at::Tensor output_sum_TH = context.empty({num_tokens, hidden});
  const at::Tensor down_bias_H = linear_but_bias(context, activated_TI, weights.down, output_sum_TH);
  at::Tensor y_TH = context.empty({num_tokens, hidden});
  at::Tensor output_mean_T = context.empty_fp32({num_tokens});
  at::Tensor output_rstd_T = context.empty_fp32({num_tokens});
  ops.layer_norm(output_sum_TH, down_bias_H, middle_TH, dropout.output, weights.output_norm.weight->value,
                 weights.output_norm.bias->value, eps, y_TH, output_mean_T, output_rstd_T);

  if (kept != nullptr) {
    *kept = {weights.qkv.weight->requires_grad ? x_TH : at::Tensor(),
             qkv_T3H, context_TH, lse_TN,
             attention_sum_TH, attention_mean_T, attention_rstd_T,
             weights.up.weight->requires_grad ? middle_TH : at::Tensor(),
             pre_TI,
             output_sum_TH, output_mean_T, output_rstd_T, relative};
  }
  return y_TH;
}

at::Tensor layer_backward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                          LayerActivations& kept, at::Tensor dy_TH, bool input_wanted) {
  Ops& ops = context.ops;
  const LayerNeeds needs(weights, input_wanted);
  const LayerDropout dropout(context, layer);

  // y = LayerNorm(middle + dropout(activated W_down^T + b_down))
  at::Tensor dmiddle_TH = dy_TH;
  at::Tensor dbranch_TH = branch_of(context, dropout.output, dy_TH);
  ops.layer_norm_backward(dy_TH, kept.output_sum_TH, kept.output_mean_T, kept.output_rstd_T,
                          weights.output_norm.weight->value, dropout.output, dmiddle_TH, dbranch_TH,
                          context.sink(*weights.output_norm.weight), context.sink(*weights.output_norm.bias),
                          context.sink(*weights.down.bias));
  // One buffer: the activations, a quarter of what a layer would keep and quickly computed again; then their gradient.
  at::Tensor dpre_TI = context.empty(kept.pre_TI.sizes());
  if (weights.down.weight->requires_grad) {
    ops.activate(kept.pre_TI, {}, context.config.activation, dpre_TI);
    linear_weight_backward(context, dbranch_TH, dpre_TI, *weights.down.weight);
  }
  if (!needs.feed_forward) return {};

  // activated = activation(middle W_up^T + b_up)
  at::mm_out(dpre_TI, dbranch_TH, weights.down.weight->operand());
  ops.activate_backward(dpre_TI, kept.pre_TI, context.config.activation, context.sink(*weights.up.bias));
  linear_weight_backward(context, dpre_TI, kept.middle_TH, *weights.up.weight);
  if (!needs.middle) return {};
  dmiddle_TH.addmm_(dpre_TI, weights.up.weight->operand());

  // middle = LayerNorm(x + dropout(context W_output^T + b_output))
  at::Tensor dx_TH = dmiddle_TH;
  dbranch_TH = branch_of(context, dropout.attention_output, dmiddle_TH);
  ops.layer_norm_backward(dmiddle_TH, kept.attention_sum_TH, kept.attention_mean_T, kept.attention_rstd_T,
                          weights.attention_norm.weight->value, dropout.attention_output, dx_TH, dbranch_TH,
                          context.sink(*weights.attention_norm.weight), context.sink(*weights.attention_norm.bias),
                          context.sink(*weights.output.bias));
  linear_weight_backward(context, dbranch_TH, kept.context_TH, *weights.output.weight);
  if (!needs.attention) return {};

  // context = attention(x W_qkv^T + b_qkv)
  at::Tensor dcontext_TH = context.empty(kept.context_TH.sizes());
  at::mm_out(dcontext_TH, dbranch_TH, weights.output.weight->operand());
  at::Tensor dqkv_T3H = context.empty(kept.qkv_T3H.sizes());
  at::Tensor dprojected_S2H;
  if (context.relative == nullptr) {
    ops.attention_backward(context.batch, dcontext_TH, kept.qkv_T3H, kept.context_TH, kept.lse_TN,
                           context.config.num_heads, dropout.attention, dqkv_T3H);
  } else {
    const bool wanted = learns(weights.qkv) || context.relative->dtable_SH.defined();
    if (wanted) dprojected_S2H = context.empty(kept.relative.projected_S2H.sizes());
    ops.disentangled_attention_backward(context.batch, dcontext_TH, kept.qkv_T3H, context.relative->rows,
                                        kept.relative.projected_S2H, kept.context_TH, kept.lse_TN,
                                        context.config.num_heads, dropout.attention, dqkv_T3H, dprojected_S2H);
  }
  ops.bias_backward(dqkv_T3H, context.sink(*weights.qkv.bias));
  linear_weight_backward(context, dqkv_T3H, kept.x_TH, *weights.qkv.weight);
  if (dprojected_S2H.defined()) {
    project_relative_backward(context, weights.qkv, dropout.relative, kept.relative, dprojected_S2H);
  }
  if (needs.input) dx_TH.addmm_(dqkv_T3H, weights.qkv.weight->operand());
  kept = {};
  return needs.input ? dx_TH : at::Tensor();
}

}  // namespace permafrost
