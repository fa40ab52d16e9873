#include "model/architecture.h"

#include "core/error.h"

namespace permafrost {

namespace {

constexpr Architecture kArchitectures[] = {
    {"bert", "bert.", "embeddings.word_embeddings", "embeddings.position_embeddings",
     "embeddings.token_type_embeddings", "embeddings.LayerNorm", "encoder.layer.{}.", "attention.self.query",
     "attention.self.key", "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
     "intermediate.dense", "output.dense", "output.LayerNorm", "classifier", "cls.predictions.bias",
     "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"},
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

}  // namespace permafrost
