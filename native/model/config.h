// Shape and arithmetic of an encoder with a token classification head.
#pragma once

#include <cstdint>
#include <string>

namespace permafrost {

// Activation of the feed-forward block: exact GELU (erf), its tanh approximation, or ReLU.
enum class Activation { gelu, gelu_new, relu };

Activation parse_activation(const std::string& name);

struct EncoderConfig {
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;
  int64_t type_vocab_size = 0;
  int64_t num_labels = 0;
  int64_t pad_token_id = 0;
  Activation activation = Activation::gelu;
  double layer_norm_eps = 1e-12;
  double hidden_dropout = 0;
  double attention_dropout = 0;
  double classifier_dropout = 0;
  double initializer_range = 0.02;

  int64_t head_size() const { return hidden_size / num_heads; }
};

// Throws INVALID_OPTION or UNSUPPORTED_MODEL naming the field that cannot be.
void validate(const EncoderConfig& config);

}  // namespace permafrost
