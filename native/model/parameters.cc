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

Parameters::Parameters(const EncoderConfig& config) {
  const Architecture& names = architecture_of(config.model_type);
  add_embeddings(config, names);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) add_layer(config, names, layer);
  if (config.relative) add_relative(config, names);
}

void Parameters::add_embeddings(const EncoderConfig& config, const Architecture& names) {
  const std::string root = names.prefix;
  const int64_t size = config.embedding_size;
  const auto table = [&](const char* table_name, int64_t rows) -> Parameter* {
    if (table_name == nullptr || rows == 0) return nullptr;
    return add(root + table_name + ".weight", {rows, size}, kEmbeddings);
  };
  embeddings.word = table(names.word_embeddings, config.vocab_size);
  embeddings.position = table(names.position_embeddings, config.max_positions);
  embeddings.token_type = table(names.token_type_embeddings, config.type_vocab_size);
  embeddings.norm = add_norm(root + names.embeddings_norm, size, kEmbeddings);
  if (size == config.hidden_size) return;
  embeddings.project = add_linear(root + names.embeddings_project, config.hidden_size, size, kEmbeddings);
}

void Parameters::add_layer(const EncoderConfig& config, const Architecture& names, int64_t layer) {
  const int64_t hidden = config.hidden_size;
  const std::string prefix = layer_prefix(names, layer);
  LayerWeights weights;
  weights.qkv = {store({3 * hidden, hidden}, layer, kAttention), store({3 * hidden}, layer, kAttention | kBias)};
  weights.qkv.weight->in_products = weights.qkv.bias->in_products = true;
  const char* projections[] = {names.query, names.key, names.value};
  for (int64_t p = 0; p < 3; ++p) {
    name(prefix + projections[p] + ".weight", weights.qkv.weight, p * hidden, (p + 1) * hidden);
    name(prefix + projections[p] + ".bias", weights.qkv.bias, p * hidden, (p + 1) * hidden);
  }
  weights.output = add_linear(prefix + names.attention_output, hidden, hidden, layer, kAttention);
  weights.attention_norm = add_norm(prefix + names.attention_norm, hidden, layer);
  weights.up = add_linear(prefix + names.intermediate, config.intermediate_size, hidden, layer, kFeedForward);
  weights.down = add_linear(prefix + names.output, hidden, config.intermediate_size, layer, kFeedForward);
  weights.output_norm = add_norm(prefix + names.output_norm, hidden, layer);
  layers.push_back(weights);
}

void Parameters::add_relative(const EncoderConfig& config, const Architecture& names) {
  const std::string root = names.prefix;
  relative.embeddings = add(root + names.relative_embeddings + ".weight",
                            {2 * config.relative->span(), config.hidden_size}, kEmbeddings);
  if (config.relative->has_norm) relative.norm = add_norm(root + names.relative_norm, config.hidden_size, kEmbeddings);
}

std::vector<Parameter*> Parameters::linear_maps() const {
  std::vector<Parameter*> maps;
  if (embeddings.project.weight != nullptr) maps.push_back(embeddings.project.weight);
  for (const LayerWeights& layer : layers) {
    maps.insert(maps.end(), {layer.qkv.weight, layer.output.weight, layer.up.weight, layer.down.weight});
  }
  return maps;
}

void Parameters::allocate(at::Device device) {
  for (Parameter& parameter : stored_) {
    parameter.value = at::zeros(parameter.shape, at::TensorOptions().dtype(at::kFloat).device(device));
  }
}

const NamedParameter& Parameters::named(const std::string& name) const {
  for (const NamedParameter& candidate : named_) {
    if (candidate.name == name) return candidate;
  }
  fail(ErrorCode::INVALID_OPTION, "The model has no parameter '", name, "'. parameters() lists those it has.");
}

Parameter* Parameters::add(const std::string& name, std::vector<int64_t> shape, int64_t layer, uint8_t parts) {
  Parameter* parameter = store(shape, layer, parts);
  this->name(name, parameter, 0, shape[0]);
  return parameter;
}

LinearWeights Parameters::add_linear(const std::string& name, int64_t out, int64_t in, int64_t layer, uint8_t parts) {
  const LinearWeights linear{add(name + ".weight", {out, in}, layer, parts),
                             add(name + ".bias", {out}, layer, static_cast<uint8_t>(parts | kBias))};
  linear.weight->in_products = linear.bias->in_products = true;
  return linear;
}

NormWeights Parameters::add_norm(const std::string& name, int64_t size, int64_t layer) {
  return {add(name + ".weight", {size}, layer, kLayerNorm), add(name + ".bias", {size}, layer, kLayerNorm | kBias)};
}

Parameter* Parameters::store(const std::vector<int64_t>& shape, int64_t layer, uint8_t parts) {
  Parameter& parameter = stored_.emplace_back();
  parameter.shape = shape;
  parameter.layer = layer;
  parameter.parts = parts;
  parameter.decays = (parts & (kBias | kLayerNorm)) == 0;
  return &parameter;
}

void Parameters::name(const std::string& name, Parameter* parameter, int64_t row_begin, int64_t row_end) {
  std::vector<int64_t> shape = parameter->shape;
  shape[0] = row_end - row_begin;
  named_.push_back({name, parameter, row_begin, row_end, shape});
}

}  // namespace permafrost
