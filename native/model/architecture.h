// How the families of encoders differ, as rows of one table.
#pragma once

#include <string>

namespace permafrost {

// Tensor names are Hugging Face's; `{}` in a layer name stands for the layer's number.
struct Architecture {
  const char* model_type;
  // First part of every encoder tensor's name in a checkpoint with a head on top.
  const char* prefix;
  const char* word_embeddings;
  const char* position_embeddings;
  const char* token_type_embeddings;
  const char* embeddings_norm;
  const char* layer;
  const char* query;
  const char* key;
  const char* value;
  const char* attention_output;
  const char* attention_norm;
  const char* intermediate;
  const char* output;
  const char* output_norm;
  const char* classifier;
  // The head that predicts hidden tokens; its decoder is the table of word embeddings. Null where the
  // family's is not known.
  const char* masked_lm_bias = nullptr;
  const char* masked_lm_dense = nullptr;
  const char* masked_lm_norm = nullptr;
};

// Throws UNSUPPORTED_MODEL naming the model types there are.
const Architecture& architecture_of(const std::string& model_type);

}  // namespace permafrost
