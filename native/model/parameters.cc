#include "model/parameters.h"

#include "core/error.h"

namespace permafrost {

namespace {

std::string layer_prefix(const Architecture& names, int64_t layer) {
  std::string prefix = std::string(names.prefix) + names.layer;
  return prefix.replace(prefix.find("{}"), 2, std::to_string(layer));
}

}  // namespace

int64_t NamedParameter::count() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

Parameters::Parameters(const EncoderConfig& config, at::Device device) : device_(device) {
  const Architecture& names = architecture_of(config.model_type);
  const int64_t hidden = config.hidden_size;
  const int64_t head = config.num_layers;

  embeddings = embedding_weights(config, names);
  layers.reserve(static_cast<size_t>(config.num_layers));
  for (int64_t i = 0; i < config.num_layers; ++i) {
    LayerWeights layer;
    layer.qkv = linear(3 * hidden, hidden, i, kAttention);
    layer.output = linear(hidden, hidden, i, kAttention);
    layer.attention_norm = norm(hidden, i);
    layer.up = linear(config.intermediate_size, hidden, i, kFeedForward);
    layer.down = linear(hidden, config.intermediate_size, i, kFeedForward);
    layer.output_norm = norm(hidden, i);

    const std::string prefix = layer_prefix(names, i);
    const char* projections[] = {names.query, names.key, names.value};
    for (int64_t p = 0; p < 3; ++p) {
      name(prefix + projections[p] + ".weight", layer.qkv.weight, p * hidden, (p + 1) * hidden);
      name(prefix + projections[p] + ".bias", layer.qkv.bias, p * hidden, (p + 1) * hidden);
    }
    name_linear(prefix + names.attention_output, layer.output);
    name_norm(prefix + names.attention_norm, layer.attention_norm);
    name_linear(prefix + names.intermediate, layer.up);
    name_linear(prefix + names.output, layer.down);
    name_norm(prefix + names.output_norm, layer.output_norm);
    layers.push_back(layer);
  }

  relative = relative_weights(config, names);
  if (config.head == Head::masked_lm) {
    masked_lm = masked_lm_head(config, names);
  } else {
    classifier = linear(config.num_labels, hidden, head, 0);
    name_linear(names.classifier, classifier);
  }
}

MaskedLmWeights Parameters::masked_lm_head(const EncoderConfig& config, const Architecture& names) {
  check(names.masked_lm_bias != nullptr, ErrorCode::UNSUPPORTED_MODEL, "There is no masked language model of type '",
        config.model_type, "' here. Expected bert.");
  MaskedLmWeights weights;
  weights.bias = store({config.vocab_size}, config.num_layers, kBias, false);
  weights.dense = linear(config.hidden_size, config.hidden_size, config.num_layers, 0);
  weights.norm = norm(config.hidden_size, config.num_layers);
  // The decoder's product reads the word embeddings and its own bias.
  embeddings.word->in_products = weights.bias->in_products = true;
  name(names.masked_lm_bias, weights.bias, 0, config.vocab_size);
  name_linear(names.masked_lm_dense, weights.dense);
  name_norm(names.masked_lm_norm, weights.norm);
  return weights;
}

EmbeddingWeights Parameters::embedding_weights(const EncoderConfig& config, const Architecture& names) {
  const std::string root = names.prefix;
  const int64_t size = config.embedding_size;
  const auto table = [&](const char* table_name, int64_t rows) -> Parameter* {
    if (table_name == nullptr || rows == 0) return nullptr;
    Parameter* parameter = store({rows, size}, kEmbeddings, 0, true);
    name(root + table_name + ".weight", parameter, 0, rows);
    return parameter;
  };
  EmbeddingWeights weights;
  weights.word = table(names.word_embeddings, config.vocab_size);
  weights.position = table(names.position_embeddings, config.max_positions);
  weights.token_type = table(names.token_type_embeddings, config.type_vocab_size);
  weights.norm = norm(size, kEmbeddings);
  name_norm(root + names.embeddings_norm, weights.norm);
  if (size != config.hidden_size) {
    weights.project = linear(config.hidden_size, size, kEmbeddings, 0);
    name_linear(root + names.embeddings_project, weights.project);
  }
  return weights;
}

RelativeWeights Parameters::relative_weights(const EncoderConfig& config, const Architecture& names) {
  if (!config.relative) return {};
  const std::string root = names.prefix;
  const int64_t rows = 2 * config.relative->span();
  RelativeWeights weights;
  weights.embeddings = store({rows, config.hidden_size}, kEmbeddings, 0, true);
  name(root + names.relative_embeddings + ".weight", weights.embeddings, 0, rows);
  if (config.relative->has_norm) {
    weights.norm = norm(config.hidden_size, kEmbeddings);
    name_norm(root + names.relative_norm, weights.norm);
  }
  return weights;
}

const NamedParameter& Parameters::named(const std::string& name) const {
  for (const NamedParameter& candidate : named_) {
    if (candidate.name == name) return candidate;
  }
  fail(ErrorCode::INVALID_OPTION, "The model has no parameter '", name, "'. parameters() lists those it has.");
}

Parameter* Parameters::store(std::vector<int64_t> shape, int64_t layer, uint8_t parts, bool decays) {
  Parameter& parameter = stored_.emplace_back();
  parameter.value = at::zeros(shape, at::TensorOptions().dtype(at::kFloat).device(device_));
  parameter.layer = layer;
  parameter.parts = parts;
  parameter.decays = decays;
  return &parameter;
}

void Parameters::name(const std::string& name, Parameter* parameter, int64_t row_begin, int64_t row_end) {
  std::vector<int64_t> shape = parameter->value.sizes().vec();
  shape[0] = row_end - row_begin;
  named_.push_back({name, parameter, row_begin, row_end, shape});
}

void Parameters::name_linear(const std::string& prefix, const LinearWeights& linear) {
  name(prefix + ".weight", linear.weight, 0, linear.weight->value.size(0));
  name(prefix + ".bias", linear.bias, 0, linear.bias->value.size(0));
}

void Parameters::name_norm(const std::string& prefix, const NormWeights& norm) {
  name(prefix + ".weight", norm.weight, 0, norm.weight->value.size(0));
  name(prefix + ".bias", norm.bias, 0, norm.bias->value.size(0));
}

LinearWeights Parameters::linear(int64_t out, int64_t in, int64_t layer, uint8_t part) {
  Parameter* weight = store({out, in}, layer, part, true);
  Parameter* bias = store({out}, layer, static_cast<uint8_t>(part | kBias), false);
  weight->in_products = bias->in_products = true;
  return {weight, bias};
}

NormWeights Parameters::norm(int64_t size, int64_t layer) {
  Parameter* weight = store({size}, layer, kLayerNorm, false);
  Parameter* bias = store({size}, layer, kLayerNorm | kBias, false);
  return {weight, bias};
}

}  // namespace permafrost
