#include "model/head.h"

#include <algorithm>
#include <utility>

#include "model/masked_lm_head.h"
#include "model/token_head.h"

namespace permafrost {

namespace {

bool is_masked_lm(const PassContext& context) { return context.config.head == Head::masked_lm; }

}  // namespace

at::Tensor head_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH) {
  return is_masked_lm(context) ? masked_lm_scores(context, parameters, hidden_RH)
                               : token_scores(context, parameters, hidden_RH);
}

double head_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH,
                 bool labelled_only) {
  return is_masked_lm(context) ? masked_lm_loss(context, parameters, hidden_RH)
                               : token_loss(context, parameters, hidden_RH, labelled_only);
}

HeadGradients head_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_RH,
                             bool labelled_only, double scale, bool input_wanted) {
  return is_masked_lm(context)
             ? masked_lm_gradients(context, parameters, hidden_RH, scale, input_wanted)
             : token_gradients(context, parameters, std::move(hidden_RH), labelled_only, scale, input_wanted);
}

int64_t rows_scored_at_once(const EncoderConfig& config) {
  constexpr int64_t kScores = int64_t{1} << 22;
  return std::max<int64_t>(1, kScores / config.num_labels);
}

}  // namespace permafrost
