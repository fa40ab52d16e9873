#include "model/architecture.h"

#include "core/error.h"

namespace permafrost {

namespace {

// The names that most families share.
constexpr Architecture bert_names(const char* model_type, const char* prefix) {
  Architecture row{};
  row.model_type = model_type;
  row.prefix = prefix;
  row.word_embeddings = "embeddings.word_embeddings";
  row.position_embeddings = "embeddings.position_embeddings";
  row.token_type_embeddings = "embeddings.token_type_embeddings";
  row.embeddings_norm = "embeddings.LayerNorm";
  row.layer = "encoder.layer.{}.";
  row.query = "attention.self.query";
  row.key = "attention.self.key";
  row.value = "attention.self.value";
  row.attention_output = "attention.output.dense";
  row.attention_norm = "attention.output.LayerNorm";
  row.intermediate = "intermediate.dense";
  row.output = "output.dense";
  row.output_norm = "output.LayerNorm";
  return row;
}

constexpr Architecture roberta(const char* model_type) {
  Architecture row = bert_names(model_type, "roberta.");
  row.positions_follow_padding = true;
  return row;
}

constexpr Architecture distilbert() {
  Architecture row = bert_names("distilbert", "distilbert.");
  row.token_type_embeddings = nullptr;
  row.layer = "transformer.layer.{}.";
  row.query = "attention.q_lin";
  row.key = "attention.k_lin";
  row.value = "attention.v_lin";
  row.attention_output = "attention.out_lin";
  row.attention_norm = "sa_layer_norm";
  row.intermediate = "ffn.lin1";
  row.output = "ffn.lin2";
  row.output_norm = "output_layer_norm";
  return row;
}

constexpr Architecture electra() {
  Architecture row = bert_names("electra", "electra.");
  row.embeddings_project = "embeddings_project";
  return row;
}

constexpr Architecture deberta_v2() {
  Architecture row = bert_names("deberta-v2", "deberta.");
  row.position_embeddings = nullptr;
  row.query = "attention.self.query_proj";
  row.key = "attention.self.key_proj";
  row.value = "attention.self.value_proj";
  row.relative_embeddings = "encoder.rel_embeddings";
  row.relative_norm = "encoder.LayerNorm";
  return row;
}

constexpr Architecture kArchitectures[] = {
    bert_names("bert", "bert."), roberta("roberta"), roberta("xlm-roberta"), roberta("camembert"),
    distilbert(),                electra(),          deberta_v2(),
};

}  // namespace

const Architecture& architecture_of(const std::string& model_type) {
  std::string known;
  for (const Architecture& row : kArchitectures) {
    if (model_type == row.model_type) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.model_type);
  }
  fail(ErrorCode::UNSUPPORTED_MODEL, "Model type '", model_type, "' is not supported. Expected one of: ", known, ".");
}

int64_t position_base(const EncoderConfig& config) {
  return architecture_of(config.model_type).positions_follow_padding ? config.pad_token_id : -1;
}

int64_t usable_positions(const EncoderConfig& config) { return config.max_positions - position_base(config) - 1; }

}  // namespace permafrost
