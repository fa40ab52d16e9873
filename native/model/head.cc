#include "model/head.h"

#include <algorithm>

#include "core/error.h"

namespace permafrost {

std::unique_ptr<Head> make_token_head(const EncoderConfig& config, Parameters& parameters);
std::unique_ptr<Head> make_masked_lm_head(const EncoderConfig& config, Parameters& parameters);

namespace {

struct HeadRow {
  const char* name;
  std::unique_ptr<Head> (*make)(const EncoderConfig& config, Parameters& parameters);
};

constexpr HeadRow kHeads[] = {
    {"token-classification", make_token_head},
    {"masked-lm", make_masked_lm_head},
};

const HeadRow& row_of(const std::string& name) {
  std::string known;
  for (const HeadRow& row : kHeads) {
    if (name == row.name) return row;
    known += (known.empty() ? "'" : " or '") + std::string(row.name) + "'";
  }
  fail(ErrorCode::INVALID_OPTION, "config.head: expected ", known, ", got '", name, "'.");
}

}  // namespace

std::unique_ptr<Head> make_head(const EncoderConfig& config, Parameters& parameters) {
  return row_of(config.head).make(config, parameters);
}

void check_head_name(const std::string& name) { row_of(name); }

Decoded Head::decode(const PassContext& context, const at::Tensor& hidden_TH) const {
  Decoded decoded{std::vector<int32_t>(static_cast<size_t>(hidden_TH.size(0)))};
  const bool is_labelled = !context.batch.labelled.empty();
  const int64_t rows = rows_scored_at_once(context.config);
  for (int64_t begin = 0; begin < hidden_TH.size(0); begin += rows) {
    const int64_t end = std::min(begin + rows, hidden_TH.size(0));
    const at::Tensor scores_RC = scores(context, hidden_TH.slice(0, begin, end));
    context.ops.argmax(scores_RC, decoded.classes_T.data() + begin);
    if (!is_labelled) continue;
    at::Tensor unwanted;
    decoded.loss_sum +=
        context.ops.cross_entropy(scores_RC, context.batch.labels_T.slice(0, begin, end), 1, unwanted);
  }
  return decoded;
}

int64_t rows_scored_at_once(const EncoderConfig& config) {
  constexpr int64_t kScores = int64_t{1} << 22;
  return std::max<int64_t>(1, kScores / config.num_labels);
}

}  // namespace permafrost
