#include "model/head.h"

#include <algorithm>

#include "core/error.h"

namespace permafrost {

std::unique_ptr<Head> make_token_head(const EncoderConfig& config, Parameters& parameters);
std::unique_ptr<Head> make_crf_head(const EncoderConfig& config, Parameters& parameters);
std::unique_ptr<Head> make_masked_lm_head(const EncoderConfig& config, Parameters& parameters);

namespace {

struct HeadRow {
  const char* name;
  std::unique_ptr<Head> (*make)(const EncoderConfig& config, Parameters& parameters);
};

constexpr HeadRow kHeads[] = {
    {"token-classification", make_token_head},
    {"crf", make_crf_head},
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
  Decoded decoded;
  const bool is_labelled = !context.batch.labelled.empty();
  decoded.classes_T = best_classes(context, hidden_TH, [&](const at::Tensor& scores_RC, int64_t begin, int64_t end) {
    if (!is_labelled) return;
    at::Tensor unwanted;
    decoded.loss_sum +=
        context.ops.cross_entropy(scores_RC, context.batch.labels_T.slice(0, begin, end), 1, unwanted);
  });
  return decoded;
}

std::vector<int32_t> Head::best_classes(
    const PassContext& context, const at::Tensor& hidden_TH,
    const std::function<void(const at::Tensor& scores_RC, int64_t begin, int64_t end)>& on_part) const {
  std::vector<int32_t> classes_T(static_cast<size_t>(hidden_TH.size(0)));
  const int64_t rows = rows_scored_at_once(context.config);
  for (int64_t begin = 0; begin < hidden_TH.size(0); begin += rows) {
    const int64_t end = std::min(begin + rows, hidden_TH.size(0));
    const at::Tensor scores_RC = scores(context, hidden_TH.slice(0, begin, end));
    context.ops.argmax(scores_RC, classes_T.data() + begin);
    if (on_part) on_part(scores_RC, begin, end);
  }
  return classes_T;
}

int64_t rows_scored_at_once(const EncoderConfig& config) {
  constexpr int64_t kScores = int64_t{1} << 22;
  return std::max<int64_t>(1, kScores / config.num_labels);
}

}  // namespace permafrost
