// Configurations and a batch small enough for tests; each test changes what it is about.
#pragma once

#include "model/batch.h"
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

// Sizes that are no multiples of one another.
inline EncoderConfig small_config(double dropout) {
  EncoderConfig config = small_bert(dropout);
  config.vocab_size = 50;
  config.embedding_size = config.hidden_size = 24;
  config.num_heads = 3;
  config.intermediate_size = 40;
  config.max_positions = 32;
  config.initializer_range = 0.3;
  return config;
}

inline PackedBatch small_batch() {
  PackedBatch batch;
  batch.cu_seqlens = {0, 7, 8, 20};
  for (int32_t t = 0; t < 20; ++t) {
    batch.input_ids.push_back(1 + (t * 11) % 49);
    batch.labels.push_back(t % 4 == 0 ? kIgnoredLabel : t % 5);
  }
  return batch;
}

}  // namespace permafrost::testing
