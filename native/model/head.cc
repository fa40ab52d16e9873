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

std::vector<int32_t> Head::decode(const PassContext& context, const at::Tensor& hidden_TH) const {
  std::vector<int32_t> classes_T(static_cast<size_t>(hidden_TH.size(0)));
  const int64_t rows = rows_scored_at_once(context.config);
  for (int64_t begin = 0; begin < hidden_TH.size(0); begin += rows) {
    const int64_t end = std::min(begin + rows, hidden_TH.size(0));
    context.ops.argmax(scores(context, hidden_TH.slice(0, begin, end)), classes_T.data() + begin);
  }
  return classes_T;
}

int64_t rows_scored_at_once(const EncoderConfig& config) {
  constexpr int64_t kScores = int64_t{1} << 22;
  return std::max<int64_t>(1, kScores / config.num_labels);
}

}  // namespace permafrost
