#include "model/encoder.h"

#include <algorithm>

namespace permafrost {

int64_t frozen_prefix(const Parameters& parameters) {
  int64_t lowest = static_cast<int64_t>(parameters.layers.size());
  for (const Parameter& parameter : parameters.stored()) {
    if (parameter.requires_grad) lowest = std::min(lowest, parameter.layer);
  }
  return lowest;
}

at::Tensor encode(const PassContext& outer, const Parameters& parameters, const EncodeOptions& options,
                  EncoderActivations* kept) {
  PassContext context = outer;
  std::optional<RelativePass> relative;
  if (parameters.relative.embeddings != nullptr) {
    relative = relative_pass(context, parameters.relative);
    context.relative = &*relative;
  }
  const int64_t prefix = frozen_prefix(parameters);
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  PassContext prefix_context = context;
  prefix_context.dropout.training = context.dropout.training && options.prefix_dropout;
  prefix_context.rows_apart = !prefix_context.dropout.training;
  if (kept != nullptr) kept->layers.resize(parameters.layers.size());

  at::Tensor hidden_TH = options.prefix_TH;
  const int64_t first = hidden_TH.defined() ? prefix : 0;
  if (!hidden_TH.defined()) {
    const PassContext& embedding_context = prefix < 0 ? context : prefix_context;
    hidden_TH = embed(embedding_context, parameters.embeddings,
                      kept != nullptr && prefix < 0 ? &kept->embeddings : nullptr);
    if (options.on_output) options.on_output(hidden_TH);
  }
  for (int64_t layer = first; layer < num_layers; ++layer) {
    const auto i = static_cast<size_t>(layer);
    const bool is_frozen = layer < prefix;
    hidden_TH = layer_forward(is_frozen ? prefix_context : context, parameters.layers[i], layer, hidden_TH,
                              kept != nullptr && !is_frozen ? &kept->layers[i] : nullptr,
                              options.labelled_only && !is_frozen && layer + 1 == num_layers);
    if (options.on_output) options.on_output(hidden_TH);
  }
  if (kept != nullptr && relative) kept->relative = *relative;
  // A frozen prefix gives the output of every token.
  const bool selects = options.labelled_only && prefix >= num_layers;
  return selects ? hidden_TH.index_select(0, context.batch.labelled_M) : hidden_TH;
}

void encode_backward(const PassContext& outer, const Parameters& parameters, EncoderActivations& kept,
                     at::Tensor dhidden_RH, const std::function<void(int64_t layer)>& on_layer) {
  const int64_t prefix = frozen_prefix(parameters);
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  if (prefix >= num_layers) return;
  PassContext context = outer;
  if (kept.relative) {
    context.relative = &*kept.relative;
    if (prefix < 0) kept.relative->dtable_SH = at::zeros(kept.relative->table_SH.sizes(), kept.relative->table_SH.options().dtype(at::kFloat));
  }
  for (int64_t layer = num_layers - 1; layer >= std::max<int64_t>(prefix, 0); --layer) {
    const auto i = static_cast<size_t>(layer);
    dhidden_RH = layer_backward(context, parameters.layers[i], layer, kept.layers[i], dhidden_RH, layer > prefix);
    on_layer(layer);
  }
  if (kept.relative) relative_pass_backward(context, parameters.relative, *kept.relative);
  if (prefix >= 0) return;
  embed_backward(context, parameters.embeddings, kept.embeddings, dhidden_RH);
  on_layer(kEmbeddings);
}

}  // namespace permafrost
