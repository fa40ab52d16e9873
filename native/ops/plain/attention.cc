// Attention by ATen's operations, one sequence at a time.
#include <cmath>

#include "ops/plain/mask.h"
#include "ops/plain/plain_ops.h"

namespace permafrost {

namespace {

// Query, key and value of one sequence, each [N, n, D].
struct Heads {
  at::Tensor query_NnD, key_NnD, value_NnD;

  Heads(const at::Tensor& qkv_T3H, int64_t begin, int64_t end, int64_t num_heads) {
    const at::Tensor split = qkv_T3H.slice(0, begin, end).view({end - begin, 3, num_heads, -1}).permute({1, 2, 0, 3});
    query_NnD = split[0];
    key_NnD = split[1];
    value_NnD = split[2];
  }

  at::Tensor products_Nnn() const { return at::matmul(query_NnD, key_NnD.transpose(1, 2)).to(at::kFloat); }
};

// Rows of one sequence of a [T, H] tensor as [N, n, D].
at::Tensor heads_of(const at::Tensor& x_TH, int64_t begin, int64_t end, int64_t num_heads) {
  return x_TH.slice(0, begin, end).view({end - begin, num_heads, -1}).transpose(0, 1);
}

// Mask of the attention weights of one sequence, [N, n, n]. Those of one head are one row of the mask.
at::Tensor attention_mask(Dropout dropout, int64_t begin, int64_t end, int64_t num_heads, at::Device device) {
  const int64_t n = end - begin;
  const int64_t row = dropout.row(begin);
  dropout.rows = nullptr;
  return dropout_factors(dropout, num_heads, n * n, row * num_heads, device).view({num_heads, n, n});
}

// What follows the scores: softmax, dropout, mean of the values.
void attend(const at::Tensor& scores_Nnn, const Heads& heads, const Dropout& dropout, int64_t begin, int64_t end,
            at::Tensor& y_TH, at::Tensor& lse_TN) {
  const int64_t num_heads = scores_Nnn.size(0);
  const at::Tensor lse_Nn = at::logsumexp(scores_Nnn, 2);
  at::Tensor weights_Nnn = (scores_Nnn - lse_Nn.unsqueeze(2)).exp();
  if (dropout.on()) weights_Nnn.mul_(attention_mask(dropout, begin, end, num_heads, y_TH.device()));
  heads_of(y_TH, begin, end, num_heads).copy_(at::matmul(weights_Nnn.to(y_TH.scalar_type()), heads.value_NnD));
  lse_TN.slice(0, begin, end).copy_(lse_Nn.transpose(0, 1));
}

// The way back: fills the gradient of the values and returns that of the scores.
at::Tensor attend_backward(const at::Tensor& scores_Nnn, const Heads& heads, const Dropout& dropout, int64_t begin,
                           int64_t end, const at::Tensor& dy_TH, const at::Tensor& lse_TN, const Heads& gradients) {
  const int64_t num_heads = scores_Nnn.size(0);
  const at::Tensor dy_NnD = heads_of(dy_TH, begin, end, num_heads);
  const at::Tensor lse_Nn1 = lse_TN.slice(0, begin, end).transpose(0, 1).unsqueeze(2);
  const at::Tensor weights_Nnn = (scores_Nnn - lse_Nn1).exp();
  at::Tensor dropped_Nnn = weights_Nnn;
  at::Tensor dweights_Nnn = at::matmul(dy_NnD, heads.value_NnD.transpose(1, 2)).to(at::kFloat);
  if (dropout.on()) {
    const at::Tensor factors_Nnn = attention_mask(dropout, begin, end, num_heads, dy_TH.device());
    dropped_Nnn = weights_Nnn * factors_Nnn;
    dweights_Nnn.mul_(factors_Nnn);
  }
  gradients.value_NnD.copy_(at::matmul(dropped_Nnn.to(dy_TH.scalar_type()).transpose(1, 2), dy_NnD));
  const at::Tensor inner_Nn1 = (dweights_Nnn * weights_Nnn).sum(2, true);
  return weights_Nnn * (dweights_Nnn - inner_Nn1);
}

// Queries and keys of the relative rows, each [N, S, D]; views of a [S, 2H] tensor.
struct RelativeHeads {
  at::Tensor query_NSD, key_NSD;

  RelativeHeads(const at::Tensor& relative_S2H, int64_t num_heads) {
    const at::Tensor split = relative_S2H.view({relative_S2H.size(0), 2, num_heads, -1}).permute({1, 2, 0, 3});
    query_NSD = split[0];
    key_NSD = split[1];
  }
};

// Row of each query and key of a sequence of n tokens, expanded to [N, n, n].
at::Tensor relative_index(const RelativeRows& rows, int64_t n, int64_t num_heads, at::Device device) {
  const auto longs = at::TensorOptions().dtype(at::kLong);
  const at::Tensor of_distance =
      at::from_blob(const_cast<int32_t*>(rows.of_distance.data()), {static_cast<int64_t>(rows.of_distance.size())},
                    at::kInt)
          .to(at::kLong);
  const at::Tensor place_n = at::arange(n, longs);
  const at::Tensor distance_nn = place_n.unsqueeze(1) - place_n.unsqueeze(0) + (rows.longest - 1);
  const at::Tensor index_nn = of_distance.index_select(0, distance_nn.flatten()).view({n, n});
  return index_nn.to(device).expand({num_heads, n, n});
}

// Terms of the scores that compare contents with positions, [N, n, n].
at::Tensor relative_products(const Heads& heads, const RelativeHeads& relative, const RelativeRows& rows,
                             const at::Tensor& index_Nnn) {
  at::Tensor sum_Nnn = at::zeros(index_Nnn.sizes(), heads.query_NnD.options());
  if (rows.content_to_position) {
    sum_Nnn.add_(at::matmul(heads.query_NnD, relative.key_NSD.transpose(1, 2)).gather(2, index_Nnn));
  }
  if (rows.position_to_content) {
    // Rows by key: (j, i) holds what belongs to the score of (i, j).
    const at::Tensor by_key_NnS = at::matmul(heads.key_NnD, relative.query_NSD.transpose(1, 2));
    sum_Nnn.add_(by_key_NnS.gather(2, index_Nnn.transpose(1, 2)).transpose(1, 2));
  }
  return sum_Nnn;
}

}  // namespace

void PlainOps::attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                         const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  if (bias_3H.defined()) qkv_T3H.add_(bias_3H);
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads));
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    attend(heads.products_Nnn() * scale, heads, dropout, begin, end, y_TH, lse_TN);
  }
}

void PlainOps::attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                  const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                  const Dropout& dropout, at::Tensor& dqkv_T3H) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads));
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    const Heads gradients(dqkv_T3H, begin, end, num_heads);
    const at::Tensor dscores_Nnn =
        attend_backward(heads.products_Nnn() * scale, heads, dropout, begin, end, dy_TH, lse_TN, gradients);
    const at::Tensor dproducts_Nnn = (dscores_Nnn * scale).to(dy_TH.scalar_type());
    gradients.query_NnD.copy_(at::matmul(dproducts_Nnn, heads.key_NnD));
    gradients.key_NnD.copy_(at::matmul(dproducts_Nnn.transpose(1, 2), heads.query_NnD));
  }
}

void PlainOps::disentangled_attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                                      const RelativeRows& rows, const at::Tensor& relative_S2H, int64_t num_heads,
                                      const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  if (bias_3H.defined()) qkv_T3H.add_(bias_3H);
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads * rows.num_terms()));
  const RelativeHeads relative(relative_S2H, num_heads);
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    const at::Tensor index_Nnn = relative_index(rows, end - begin, num_heads, y_TH.device());
    const at::Tensor products_Nnn = heads.products_Nnn() + relative_products(heads, relative, rows, index_Nnn);
    attend(products_Nnn * scale, heads, dropout, begin, end, y_TH, lse_TN);
  }
}

void PlainOps::disentangled_attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH,
                                               const at::Tensor& qkv_T3H, const RelativeRows& rows,
                                               const at::Tensor& relative_S2H, const at::Tensor& y_TH,
                                               const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                                               at::Tensor& dqkv_T3H, at::Tensor& drelative_S2H) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads * rows.num_terms()));
  const RelativeHeads relative(relative_S2H, num_heads);
  if (drelative_S2H.defined()) drelative_S2H.zero_();
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    const Heads gradients(dqkv_T3H, begin, end, num_heads);
    const at::Tensor index_Nnn = relative_index(rows, end - begin, num_heads, y_TH.device());
    const at::Tensor products_Nnn = heads.products_Nnn() + relative_products(heads, relative, rows, index_Nnn);
    const at::Tensor dscores_Nnn =
        attend_backward(products_Nnn * scale, heads, dropout, begin, end, dy_TH, lse_TN, gradients);
    const at::Tensor dproducts_Nnn = (dscores_Nnn * scale).to(dy_TH.scalar_type());
    at::Tensor dquery_NnD = at::matmul(dproducts_Nnn, heads.key_NnD);
    at::Tensor dkey_NnD = at::matmul(dproducts_Nnn.transpose(1, 2), heads.query_NnD);
    const at::Tensor none_NnS = at::zeros({num_heads, end - begin, rows.count}, qkv_T3H.options());
    if (rows.content_to_position) {
      const at::Tensor by_query_NnS = none_NnS.scatter_add(2, index_Nnn, dproducts_Nnn);
      dquery_NnD.add_(at::matmul(by_query_NnS, relative.key_NSD));
      if (drelative_S2H.defined()) {
        RelativeHeads(drelative_S2H, num_heads)
            .key_NSD.add_(at::matmul(by_query_NnS.transpose(1, 2), heads.query_NnD));
      }
    }
    if (rows.position_to_content) {
      const at::Tensor by_key_NnS =
          none_NnS.scatter_add(2, index_Nnn.transpose(1, 2), dproducts_Nnn.transpose(1, 2));
      dkey_NnD.add_(at::matmul(by_key_NnS, relative.query_NSD));
      if (drelative_S2H.defined()) {
        RelativeHeads(drelative_S2H, num_heads).query_NSD.add_(at::matmul(by_key_NnS.transpose(1, 2), heads.key_NnD));
      }
    }
    gradients.query_NnD.copy_(dquery_NnD);
    gradients.key_NnD.copy_(dkey_NnD);
  }
}

}  // namespace permafrost
