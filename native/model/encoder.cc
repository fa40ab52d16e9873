#include "model/encoder.h"

#include <algorithm>

#include "model/linear.h"

namespace permafrost {

namespace {

Dropout head_dropout(const PassContext& context) {
  return context.dropout_at(DropoutPlace::head, context.config.num_layers, context.config.classifier_dropout);
}

}  // namespace

int64_t frozen_prefix(const Parameters& parameters) {
  int64_t lowest = static_cast<int64_t>(parameters.layers.size());
  for (const Parameter& parameter : parameters.stored()) {
    if (parameter.requires_grad) lowest = std::min(lowest, parameter.layer);
  }
  return lowest;
}

at::Tensor forward(const PassContext& context, const Parameters& parameters, bool prefix_dropout,
                   EncoderActivations* kept, const StoredPrefix* stored) {
  const int64_t prefix = frozen_prefix(parameters);
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  PassContext prefix_context = context;
  prefix_context.dropout.training = context.dropout.training && prefix_dropout;

  at::Tensor hidden_TH;
  int64_t first = 0;
  if (stored != nullptr && prefix > 0 && !prefix_context.dropout.training) {
    hidden_TH = read_or_compute_prefix(prefix_context, parameters, prefix, *stored);
    first = prefix;
  } else {
    const PassContext& embedding_context = prefix < 0 ? context : prefix_context;
    hidden_TH = embed(embedding_context, parameters.embeddings,
                      kept != nullptr && prefix < 0 ? &kept->embeddings : nullptr);
  }
  if (kept != nullptr) kept->layers.resize(parameters.layers.size());
  for (int64_t layer = first; layer < num_layers; ++layer) {
    const auto i = static_cast<size_t>(layer);
    LayerActivations* layer_kept = kept != nullptr && layer >= prefix ? &kept->layers[i] : nullptr;
    hidden_TH = layer_forward(layer < prefix ? prefix_context : context, parameters.layers[i], layer, hidden_TH,
                              layer_kept);
  }
  context.ops.dropout(hidden_TH, head_dropout(context));
  at::Tensor logits_TC = context.empty({hidden_TH.size(0), context.config.num_labels});
  linear(hidden_TH, parameters.classifier, true, logits_TC);
  if (kept != nullptr) kept->hidden_TH = hidden_TH;
  return logits_TC;
}

void backward(const PassContext& context, const Parameters& parameters, EncoderActivations& kept,
              const at::Tensor& dlogits_TC) {
  context.ops.bias_backward(dlogits_TC, context.sink(*parameters.classifier.bias));
  linear_weight_backward(context, dlogits_TC, kept.hidden_TH, *parameters.classifier.weight);
  const int64_t prefix = frozen_prefix(parameters);
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  if (prefix >= num_layers) return;

  at::Tensor dhidden_TH = kept.hidden_TH;  // its values are not needed any more
  at::mm_out(dhidden_TH, dlogits_TC, parameters.classifier.weight->value);
  kept.hidden_TH.reset();
  context.ops.dropout(dhidden_TH, head_dropout(context));
  for (int64_t layer = num_layers - 1; layer >= std::max<int64_t>(prefix, 0); --layer) {
    const auto i = static_cast<size_t>(layer);
    dhidden_TH = layer_backward(context, parameters.layers[i], layer, kept.layers[i], dhidden_TH, layer > prefix);
  }
  if (prefix < 0) embed_backward(context, parameters.embeddings, kept.embeddings, dhidden_TH);
}

}  // namespace permafrost
