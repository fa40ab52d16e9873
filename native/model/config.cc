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

}  // namespace

void validate(const EncoderConfig& config) {
  architecture_of(config.model_type);
  check_positive(config.vocab_size, "vocabSize");
  check_positive(config.hidden_size, "hiddenSize");
  check_positive(config.num_layers, "numLayers");
  check_positive(config.num_heads, "numHeads");
  check_positive(config.intermediate_size, "intermediateSize");
  check_positive(config.max_positions, "maxPositions");
  check_positive(config.type_vocab_size, "typeVocabSize");
  check_positive(config.num_labels, "number of labels");
  check(config.head != Head::masked_lm || config.num_labels == config.vocab_size, ErrorCode::INVALID_OPTION,
        "config: a masked language model scores its vocabulary of ", config.vocab_size, " tokens, not ",
        config.num_labels, " labels.");
  check(config.hidden_size % config.num_heads == 0, ErrorCode::INVALID_OPTION, "config: hiddenSize ",
        config.hidden_size, " is not a multiple of numHeads ", config.num_heads, ".");
  check_probability(config.hidden_dropout, "hiddenDropout");
  check_probability(config.attention_dropout, "attentionDropout");
  check_probability(config.classifier_dropout, "classifierDropout");
  check(config.layer_norm_eps > 0, ErrorCode::INVALID_OPTION, "config: layerNormEps must be above 0.");
}

}  // namespace permafrost
