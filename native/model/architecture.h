// How the families of encoders differ, as rows of one table.
#pragma once

#include <string>

#include "model/config.h"

namespace permafrost {

// Tensor names are Hugging Face's; `{}` in a layer name stands for the layer's number. Null where the
// family has no such tensor.
struct Architecture {
  const char* model_type;
  // First part of every encoder tensor's name in a checkpoint with a head on top.
  const char* prefix;
  const char* word_embeddings;
  const char* position_embeddings;
  const char* token_type_embeddings;
  const char* embeddings_norm;
  // From the size of the embeddings to that of the layers, where they differ.
  const char* embeddings_project;
  const char* layer;
  const char* query;
  const char* key;
  const char* value;
  const char* attention_output;
  const char* attention_norm;
  const char* intermediate;
  const char* output;
  const char* output_norm;
  // Disentangled attention: embeddings of distances, shared by all layers, and their LayerNorm.
  const char* relative_embeddings;
  const char* relative_norm;
  // Positions begin behind the padding token's id and pass padding tokens over (RoBERTa), instead of at 0.
  bool positions_follow_padding;
};

// Throws UNSUPPORTED_MODEL naming the model types there are.
const Architecture& architecture_of(const std::string& model_type);

// Position of padding tokens, below the first token's: the padding token's id, or -1 where positions begin at 0
// and every token counts.
int64_t position_base(const EncoderConfig& config);

// Tokens of the longest sequence that has positions.
int64_t usable_positions(const EncoderConfig& config);

}  // namespace permafrost
