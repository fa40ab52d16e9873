#include "model/relative_positions.h"

namespace permafrost {

namespace {

// The rows of a layer's matrices that make queries and keys.
at::Tensor query_and_key(const at::Tensor& qkv) { return qkv.slice(0, 0, qkv.size(0) / 3 * 2); }

}  // namespace

RelativePass relative_pass(const PassContext& context, const RelativeWeights& weights) {
  RelativePass pass{RelativeRows(*context.config.relative, context.batch.longest), {}, {}, {}, {}, {}};
  const at::Tensor used_SH = weights.embeddings->value.slice(0, pass.rows.first, pass.rows.first + pass.rows.count);
  if (weights.norm.weight == nullptr) {
    pass.table_SH = context.empty(used_SH.sizes());
    pass.table_SH.copy_(used_SH);
    return pass;
  }
  pass.sum_SH = context.empty_fp32(used_SH.sizes());
  pass.sum_SH.copy_(used_SH);
  pass.table_SH = context.empty(used_SH.sizes());
  pass.mean_S = context.empty_fp32({pass.rows.count});
  pass.rstd_S = context.empty_fp32({pass.rows.count});
  context.ops.layer_norm(pass.sum_SH, {}, {}, {}, weights.norm.weight->value, weights.norm.bias->value,
                         context.config.layer_norm_eps, pass.table_SH, pass.mean_S, pass.rstd_S);
  return pass;
}

void relative_pass_backward(const PassContext& context, const RelativeWeights& weights, RelativePass& pass) {
  if (!pass.dtable_SH.defined()) return;
  if (weights.norm.weight != nullptr) {
    context.ops.layer_norm_backward(pass.dtable_SH, pass.sum_SH, pass.mean_S, pass.rstd_S, weights.norm.weight->value,
                                    {}, pass.dtable_SH, pass.dtable_SH, context.sink(*weights.norm.weight),
                                    context.sink(*weights.norm.bias), {});
  }
  const GradSink sink = context.sink(*weights.embeddings);
  at::Tensor grad = sink.grad;
  if (!sink.accumulate) grad.zero_();
  grad.slice(0, pass.rows.first, pass.rows.first + pass.rows.count).add_(pass.dtable_SH);
}

RelativeActivations project_relative(const PassContext& context, const LinearWeights& qkv, const Dropout& dropout) {
  at::Tensor table_SH = context.relative->table_SH;
  if (dropout.on()) {
    table_SH = context.empty(table_SH.sizes());
    table_SH.copy_(context.relative->table_SH);
    context.ops.dropout(table_SH, dropout);
  }
  at::Tensor projected_S2H = context.empty({table_SH.size(0), 2 * table_SH.size(1)});
  context.ops.linear(projected_S2H, table_SH, *qkv.weight, context.rows_apart);
  projected_S2H.add_(query_and_key(qkv.bias->operand()));
  return {table_SH, projected_S2H};
}

void project_relative_backward(const PassContext& context, const LinearWeights& qkv, const Dropout& dropout,
                               const RelativeActivations& kept, const at::Tensor& dprojected_S2H) {
  if (qkv.bias->requires_grad) context.ops.bias_backward(dprojected_S2H, {query_and_key(qkv.bias->grad), true});
  if (qkv.weight->requires_grad) {
    context.ops.weight_gradient(dprojected_S2H, kept.table_SH, {query_and_key(qkv.weight->grad), true});
  }
  at::Tensor dtable_SH = context.relative->dtable_SH;
  if (!dtable_SH.defined()) return;
  at::Tensor share_SH = context.empty(dtable_SH.sizes());
  context.ops.linear_backward(share_SH, dprojected_S2H, *qkv.weight);
  context.ops.dropout(share_SH, dropout);
  dtable_SH.add_(share_SH);
}

}  // namespace permafrost
