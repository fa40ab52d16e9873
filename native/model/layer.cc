#include "model/layer.h"

#include "model/linear.h"

namespace permafrost {

namespace {

struct LayerDropout {
  Dropout attention, attention_output, output, relative;

  LayerDropout(const PassContext& context, int64_t layer, bool labelled_only)
      : attention(context.dropout_at(DropoutPlace::attention, layer, context.config.attention_dropout)),
        attention_output(context.dropout_at(DropoutPlace::attention_output, layer, context.config.hidden_dropout,
                                            labelled_only)),
        output(context.dropout_at(DropoutPlace::output, layer, context.config.hidden_dropout, labelled_only)),
        relative(context.dropout_at(DropoutPlace::relative, layer, context.config.hidden_dropout)) {}
};

bool learns(const LinearWeights& linear) { return linear.weight->requires_grad || linear.bias->requires_grad; }
bool learns(const NormWeights& norm) { return norm.weight->requires_grad || norm.bias->requires_grad; }

// The buffer for the gradient behind a dropout: the gradient itself where the dropout is off.
at::Tensor branch_of(const PassContext& context, const Dropout& dropout, const at::Tensor& dsum_TH) {
  return dropout.on() ? context.empty(dsum_TH.sizes()) : dsum_TH;
}

// The rows of the tokens that go on.
at::Tensor select(const PassContext& context, const at::Tensor& x_TH, bool labelled_only) {
  if (!labelled_only) return x_TH;
  const at::Tensor& rows_R = context.batch.labelled_M;
  at::Tensor selected_RH = context.empty({rows_R.size(0), x_TH.size(1)});
  at::index_select_out(selected_RH, x_TH, 0, rows_R);
  return selected_RH;
}

// The way back: zeros in the rows of the others.
at::Tensor spread(const PassContext& context, const at::Tensor& x_RH, bool labelled_only) {
  if (!labelled_only) return x_RH;
  at::Tensor spread_TH = context.empty({context.num_tokens(), x_RH.size(1)});
  return spread_TH.zero_().index_add_(0, context.batch.labelled_M, x_RH);
}

}  // namespace

LayerNeeds::LayerNeeds(const LayerWeights& weights, bool input_wanted) : input(input_wanted) {
  attention = input || learns(weights.qkv);
  middle = attention || learns(weights.output) || learns(weights.attention_norm);
  feed_forward = middle || learns(weights.up);
}

at::Tensor layer_forward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                         const at::Tensor& x_TH, LayerActivations* kept, bool labelled_only) {
  const EncoderConfig& config = context.config;
  Ops& ops = context.ops;
  const int64_t num_tokens = x_TH.size(0);
  const int64_t num_rows = labelled_only ? context.batch.labelled_M.size(0) : num_tokens;
  const int64_t hidden = config.hidden_size;
  const LayerDropout dropout(context, layer, labelled_only);
  const double eps = config.layer_norm_eps;

  at::Tensor qkv_T3H = context.empty({num_tokens, 3 * hidden});
  const at::Tensor qkv_bias_3H = linear_but_bias(context, x_TH, weights.qkv, qkv_T3H, true);
  at::Tensor context_TH = context.empty({num_tokens, hidden});
  at::Tensor lse_TN = context.empty_fp32({num_tokens, config.num_heads});
  RelativeActivations relative;
  if (context.relative == nullptr) {
    ops.attention(context.batch, qkv_T3H, qkv_bias_3H, config.num_heads, dropout.attention, context_TH, lse_TN);
  } else {
    relative = project_relative(context, weights.qkv, dropout.relative);
    ops.disentangled_attention(context.batch, qkv_T3H, qkv_bias_3H, context.relative->rows,
                               relative.projected_S2H, config.num_heads, dropout.attention, context_TH, lse_TN);
  }

  at::Tensor attention_sum_RH = context.empty_sum({num_rows, hidden});
  const at::Tensor output_bias_H =
      linear_but_bias(context, select(context, context_TH, labelled_only), weights.output, attention_sum_RH);
  at::Tensor middle_RH = context.empty({num_rows, hidden});
  at::Tensor attention_mean_R = context.empty_fp32({num_rows});
  at::Tensor attention_rstd_R = context.empty_fp32({num_rows});
  ops.layer_norm(attention_sum_RH, output_bias_H, select(context, x_TH, labelled_only), dropout.attention_output,
                 weights.attention_norm.weight->value, weights.attention_norm.bias->value, eps, middle_RH,
                 attention_mean_R, attention_rstd_R);

  at::Tensor activated_RI = context.empty({num_rows, config.intermediate_size});
  at::Tensor pre_RI;
  if (kept == nullptr) {
    interruption_point();
    ops.linear_activated(activated_RI, middle_RH, *weights.up.weight, *weights.up.bias, config.activation,
                         context.rows_apart);
  } else {
    pre_RI = context.empty({num_rows, config.intermediate_size});
    const at::Tensor up_bias_I = linear_but_bias(context, middle_RH, weights.up, pre_RI);
    ops.activate(pre_RI, up_bias_I, config.activation, activated_RI);
  }

  at::Tensor output_sum_RH = context.empty_sum({num_rows, hidden});
  const at::Tensor down_bias_H = linear_but_bias(context, activated_RI, weights.down, output_sum_RH);
  at::Tensor y_RH = context.empty({num_rows, hidden});
  at::Tensor output_mean_R = context.empty_fp32({num_rows});
  at::Tensor output_rstd_R = context.empty_fp32({num_rows});
  ops.layer_norm(output_sum_RH, down_bias_H, middle_RH, dropout.output, weights.output_norm.weight->value,
                 weights.output_norm.bias->value, eps, y_RH, output_mean_R, output_rstd_R);

  if (kept != nullptr) {
    *kept = {labelled_only,
             weights.qkv.weight->requires_grad ? x_TH : at::Tensor(),
             qkv_T3H, context_TH, lse_TN,
             attention_sum_RH, attention_mean_R, attention_rstd_R,
             weights.up.weight->requires_grad ? middle_RH : at::Tensor(),
             pre_RI,
             output_sum_RH, output_mean_R, output_rstd_R, relative};
  }
  return y_RH;
}

at::Tensor layer_backward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                          LayerActivations& kept, at::Tensor dy_RH, bool input_wanted) {
  Ops& ops = context.ops;
  const LayerNeeds needs(weights, input_wanted);
  const LayerDropout dropout(context, layer, kept.labelled_only);

  // y = LayerNorm(middle + dropout(activated W_down^T + b_down))
  at::Tensor dmiddle_RH = dy_RH;
  at::Tensor dbranch_RH = branch_of(context, dropout.output, dy_RH);
  ops.layer_norm_backward(dy_RH, kept.output_sum_RH, kept.output_mean_R, kept.output_rstd_R,
                          weights.output_norm.weight->value, dropout.output, dmiddle_RH, dbranch_RH,
                          context.sink(*weights.output_norm.weight), context.sink(*weights.output_norm.bias),
                          context.sink(*weights.down.bias));
  // One buffer: the activations, a quarter of what a layer would keep and quickly computed again; then their gradient.
  at::Tensor dpre_RI = context.empty(kept.pre_RI.sizes());
  const bool joins = ops.joins_activations() && weights.down.weight->requires_grad && needs.feed_forward;
  if (weights.down.weight->requires_grad && !joins) {
    ops.activate(kept.pre_RI, {}, context.config.activation, dpre_RI);
    linear_weight_backward(context, dbranch_RH, dpre_RI, *weights.down.weight);
  }
  if (!needs.feed_forward) return {};

  // activated = activation(middle W_up^T + b_up)
  ops.linear_backward(dpre_RI, dbranch_RH, *weights.down.weight);
  if (joins) {
    ops.activate_and_back(dpre_RI, kept.pre_RI, context.config.activation, context.sink(*weights.up.bias));
    linear_weight_backward(context, dbranch_RH, kept.pre_RI, *weights.down.weight);
  } else {
    ops.activate_backward(dpre_RI, kept.pre_RI, context.config.activation, context.sink(*weights.up.bias));
  }
  linear_weight_backward(context, dpre_RI, kept.middle_RH, *weights.up.weight);
  if (!needs.middle) return {};
  ops.linear_backward(dmiddle_RH, dpre_RI, *weights.up.weight, true);

  // middle = LayerNorm(x + dropout(context W_output^T + b_output))
  at::Tensor dx_RH = dmiddle_RH;
  dbranch_RH = branch_of(context, dropout.attention_output, dmiddle_RH);
  ops.layer_norm_backward(dmiddle_RH, kept.attention_sum_RH, kept.attention_mean_R, kept.attention_rstd_R,
                          weights.attention_norm.weight->value, dropout.attention_output, dx_RH, dbranch_RH,
                          context.sink(*weights.attention_norm.weight), context.sink(*weights.attention_norm.bias),
                          context.sink(*weights.output.bias));
  linear_weight_backward(context, dbranch_RH, select(context, kept.context_TH, kept.labelled_only),
                         *weights.output.weight);
  if (!needs.attention) return {};

  // context = attention(x W_qkv^T + b_qkv)
  at::Tensor dcontext_RH = context.empty(dbranch_RH.sizes());
  ops.linear_backward(dcontext_RH, dbranch_RH, *weights.output.weight);
  const at::Tensor dcontext_TH = spread(context, dcontext_RH, kept.labelled_only);
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
  at::Tensor dx_TH = needs.input ? spread(context, dx_RH, kept.labelled_only) : at::Tensor();
  if (needs.input) ops.linear_backward(dx_TH, dqkv_T3H, *weights.qkv.weight, true);
  kept = {};
  return dx_TH;
}

}  // namespace permafrost
