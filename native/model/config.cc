#include "model/config.h"

#include "core/error.h"
#include "model/architecture.h"

namespace permafrost {

Activation parse_activation(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_new;
  if (name == "relu") return Activation::relu;
  fail(ErrorCode::UNSUPPORTED_MODEL, "Activation '", name, "' is not supported. Expected gelu, gelu_new or relu.");
}

namespace {

void check_positive(int64_t value, const char* field) {
  check(value > 0, ErrorCode::INVALID_OPTION, "config: ", field, " must be at least 1, got ", value, ".");
}

void check_probability(double value, const char* field) {
  check(value >= 0 && value < 1, ErrorCode::INVALID_OPTION, "config: ", field,
        " must be at least 0 and below 1, got ", value, ".");
}

void check_relative(const EncoderConfig& config, const Architecture& row) {
  check(config.relative.has_value() == (row.relative_embeddings != nullptr), ErrorCode::INVALID_OPTION,
        "config: relativePositions ", config.relative ? "do not exist in" : "must be given for", " model type '",
        config.model_type, "'.");
  if (!config.relative) return;
  const RelativeAttention& relative = *config.relative;
  check_positive(relative.max_distance, "relativePositions.maxDistance");
  check(relative.buckets == 0 || relative.buckets >= 4, ErrorCode::INVALID_OPTION,
        "config: relativePositions.buckets must be 0 or at least 4, got ", relative.buckets, ".");
  check(relative.buckets == 0 || relative.max_distance > relative.buckets / 2 + 1, ErrorCode::INVALID_OPTION,
        "config: relativePositions.maxDistance ", relative.max_distance, " is too small for ", relative.buckets,
        " buckets.");
  check(relative.content_to_position || relative.position_to_content, ErrorCode::UNSUPPORTED_MODEL,
        "config: relativePositions without contentToPosition and positionToContent are not supported.");
}

}  // namespace

void validate(const EncoderConfig& config) {
  const Architecture& row = architecture_of(config.model_type);
  check_positive(config.vocab_size, "vocabSize");
  check_positive(config.embedding_size, "embeddingSize");
  check(config.embedding_size == config.hidden_size || row.embeddings_project != nullptr, ErrorCode::UNSUPPORTED_MODEL,
        "config: embeddingSize ", config.embedding_size, " other than hiddenSize ", config.hidden_size,
        " is not supported for model type '", config.model_type, "'.");
  check_positive(config.hidden_size, "hiddenSize");
  check_positive(config.num_layers, "numLayers");
  check_positive(config.num_heads, "numHeads");
  check_positive(config.intermediate_size, "intermediateSize");
  check_positive(config.max_positions, "maxPositions");
  check(config.type_vocab_size >= 0, ErrorCode::INVALID_OPTION, "config: typeVocabSize must be at least 0, got ",
        config.type_vocab_size, ".");
  check(config.type_vocab_size == 0 || row.token_type_embeddings != nullptr, ErrorCode::INVALID_OPTION,
        "config: model type '", config.model_type, "' has no token types; typeVocabSize must be 0.");
  check(usable_positions(config) > 0, ErrorCode::INVALID_OPTION, "config: padTokenId ", config.pad_token_id,
        " leaves none of the ", config.max_positions, " positions.");
  check_positive(config.num_labels, "number of labels");
  check(config.hidden_size % config.num_heads == 0, ErrorCode::INVALID_OPTION, "config: hiddenSize ",
        config.hidden_size, " is not a multiple of numHeads ", config.num_heads, ".");
  check_probability(config.hidden_dropout, "hiddenDropout");
  check_probability(config.attention_dropout, "attentionDropout");
  check_probability(config.classifier_dropout, "classifierDropout");
  check(config.layer_norm_eps > 0, ErrorCode::INVALID_OPTION, "config: layerNormEps must be above 0.");
  check_relative(config, row);
}

}  // namespace permafrost
