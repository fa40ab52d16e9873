// A configuration small enough for tests; each test changes what it is about.
#pragma once

#include "model/config.h"

namespace permafrost::testing {

inline EncoderConfig small_bert(double dropout) {
  EncoderConfig config;
  config.model_type = "bert";
  config.vocab_size = 60;
  config.embedding_size = config.hidden_size = 32;
  config.num_layers = 3;
  config.num_heads = 2;
  config.intermediate_size = 48;
  config.max_positions = 40;
  config.type_vocab_size = 2;
  config.num_labels = 5;
  config.initializer_range = 0.2;
  config.hidden_dropout = config.attention_dropout = config.classifier_dropout = dropout;
  return config;
}

}  // namespace permafrost::testing
