// Shape and arithmetic of an encoder with its head.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace permafrost {

// Activation of the feed-forward block: exact GELU (erf), its tanh approximation, or ReLU.
enum class Activation { gelu, gelu_new, relu };

Activation parse_activation(const std::string& name);

// Disentangled attention (He et al., "DeBERTa", 2021): scores also compare contents with the distance between
// query and key, by embeddings of distances that lie in `span()` rows to either side.
struct RelativeAttention {
  // Distances beyond half of the buckets share rows, ever more of them; 0 where each distance has its own.
  int64_t buckets = 0;
  // Distance from which all share the last row.
  int64_t max_distance = 0;
  bool content_to_position = false;
  bool position_to_content = false;
  bool has_norm = false;

  int64_t span() const { return buckets > 0 ? buckets : max_distance; }
};

struct EncoderConfig {
  std::string model_type;
  // Name of what stands on top: see head.cc.
  std::string head = "token-classification";
  int64_t vocab_size = 0;
  // Width of the embeddings; that of the layers in most families.
  int64_t embedding_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;
  int64_t type_vocab_size = 0;
  int64_t num_labels = 0;  // classes that the head scores
  int64_t pad_token_id = 0;
  Activation activation = Activation::gelu;
  double layer_norm_eps = 1e-12;
  double hidden_dropout = 0;
  double attention_dropout = 0;
  double classifier_dropout = 0;
  double initializer_range = 0.02;
  // Present in the families whose attention is disentangled.
  std::optional<RelativeAttention> relative;

  int64_t head_size() const { return hidden_size / num_heads; }
};

// Throws INVALID_OPTION or UNSUPPORTED_MODEL naming the field that cannot be.
void validate(const EncoderConfig& config);

// Throws OUT_OF_MEMORY, with the bytes that the weights need and those that are free, before any is taken: what a
// kernel grants beyond its memory kills the process later.
void require_memory(const EncoderConfig& config);

}  // namespace permafrost
