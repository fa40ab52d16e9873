// Embeddings of distances, for disentangled attention: one table for all layers, which each layer projects by its
// own query and key matrices (He et al., "DeBERTa", 2021; shared keys as in version 2 and 3).
#pragma once

#include "model/forward_context.h"
#include "ops/relative_rows.h"

namespace permafrost {

// What the layers of one pass share. H is their width, S the rows in use.
struct RelativePass {
  RelativeRows rows;
  at::Tensor sum_SH, mean_S, rstd_S;  // of the LayerNorm, where there is one
  at::Tensor table_SH;
  // Gradient of the table, added up by the layers; undefined where nobody wants it.
  at::Tensor dtable_SH;
};

// What a layer keeps of it.
struct RelativeActivations {
  at::Tensor table_SH;       // dropout applied
  at::Tensor projected_S2H;  // queries and keys
};

// The table for the sequences of `context.batch`.
RelativePass relative_pass(const PassContext& context, const RelativeWeights& weights);

// Fills the gradients of the table's weights from dtable_SH, where they learn.
void relative_pass_backward(const PassContext& context, const RelativeWeights& weights, RelativePass& pass);

// `qkv` is the layer's: its first 2H rows make queries and keys.
RelativeActivations project_relative(const PassContext& context, const LinearWeights& qkv, const Dropout& dropout);

// Adds to the gradients that the layer's own tokens have given, and to dtable_SH.
void project_relative_backward(const PassContext& context, const LinearWeights& qkv, const Dropout& dropout,
                               const RelativeActivations& kept, const at::Tensor& dprojected_S2H);

}  // namespace permafrost
