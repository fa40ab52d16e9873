#include "model/config.h"

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <sstream>

#include "core/available_memory.h"
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

// What ids can count, and so small that no product of two sizes overflows.
constexpr int64_t kLargestSize = std::numeric_limits<int32_t>::max();
// The table of distances has twice as many rows.
constexpr int64_t kLargestSpan = kLargestSize / 2;

void check_size(int64_t value, int64_t least, const char* field, int64_t most = kLargestSize) {
  check(value >= least && value <= most, ErrorCode::INVALID_OPTION, "config: ", field, " must be from ", least, " to ",
        most, ", got ", value, ".");
}

void check_positive(int64_t value, const char* field) { check_size(value, 1, field); }

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
  check_size(relative.max_distance, 1, "relativePositions.maxDistance", kLargestSpan);
  check_size(relative.buckets, 0, "relativePositions.buckets", kLargestSpan);
  check(relative.buckets == 0 || relative.buckets >= 4, ErrorCode::INVALID_OPTION,
        "config: relativePositions.buckets must be 0 or at least 4, got ", relative.buckets, ".");
  check(relative.buckets == 0 || relative.max_distance > relative.buckets / 2 + 1, ErrorCode::INVALID_OPTION,
        "config: relativePositions.maxDistance ", relative.max_distance, " is too small for ", relative.buckets,
        " buckets.");
  check(relative.content_to_position || relative.position_to_content, ErrorCode::UNSUPPORTED_MODEL,
        "config: relativePositions without contentToPosition and positionToContent are not supported.");
}

// In floating point, which no product overflows. Of every layer the four maps of attention and the two of the
// feed-forward block, and what its dozen parameters are kept in.
double least_bytes(const EncoderConfig& config) {
  constexpr double kLayerOverhead = 8192;
  const auto hidden = static_cast<double>(config.hidden_size);
  const auto rows = static_cast<double>(config.vocab_size + config.max_positions + config.type_vocab_size);
  const double layer = hidden * (4 * hidden + 2 * static_cast<double>(config.intermediate_size));
  const double head = hidden * static_cast<double>(config.head == "token-classification" ? config.num_labels : 0);
  const double weights = rows * static_cast<double>(config.embedding_size) +
                         static_cast<double>(config.num_layers) * layer + head;
  return weights * sizeof(float) + static_cast<double>(config.num_layers) * kLayerOverhead;
}

std::string gigabytes(double bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(bytes < 1e9 ? 3 : 1) << bytes / 1e9 << " GB";
  return text.str();
}

}  // namespace

void require_memory(const EncoderConfig& config) {
  const double needed = least_bytes(config);
  const auto available = static_cast<double>(available_memory());
  check(needed <= available, ErrorCode::OUT_OF_MEMORY, "The weights need at least ", static_cast<uint64_t>(std::min(needed, 1.8e19)),
        " bytes (", gigabytes(needed), "), but ", static_cast<uint64_t>(available), " (", gigabytes(available),
        ") are free. Take a smaller model: ", config.num_layers, " layers of ", config.hidden_size, ", ",
        config.vocab_size, " tokens, ", config.max_positions, " positions, ", config.type_vocab_size, " token types.");
}

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
  check_size(config.type_vocab_size, 0, "typeVocabSize");
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
