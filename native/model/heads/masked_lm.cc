// Prediction of hidden tokens, as BertForMaskedLM has it: LayerNorm(activation(dense(x))) E^T + bias, E the table of
// word embeddings.
//
// Only the labelled tokens, M of the T, are given and scored, in parts of bounded memory. The gradient of the table is
// left where the embeddings' own way back adds that of the lookup to it.
#include <algorithm>

#include "core/error.h"
#include "model/head.h"
#include "model/linear.h"

namespace permafrost {

namespace {

// Output of the dense map and its activation, and what their way back needs.
struct Transformed {
  at::Tensor pre_RH, activated_RH, mean_R, rstd_R;
  at::Tensor y_RH;
};

// Calls body(begin, end) for parts of `count` tokens until it returns false.
template <typename Body>
void for_each_part(const PassContext& context, int64_t count, const Body& body) {
  const int64_t rows = rows_scored_at_once(context.config);
  for (int64_t begin = 0; begin < count; begin += rows) {
    if (!body(begin, std::min(begin + rows, count))) return;
  }
}

class MaskedLmHead : public Head {
 public:
  MaskedLmHead(const EncoderConfig& config, Parameters& parameters) {
    check(config.model_type == "bert", ErrorCode::UNSUPPORTED_MODEL, "There is no masked language model of type '",
          config.model_type, "' here. Expected bert.");
    check(config.num_labels == config.vocab_size, ErrorCode::INVALID_OPTION,
          "config: a masked language model scores its vocabulary of ", config.vocab_size, " tokens, not ",
          config.num_labels, " labels.");
    const std::string root = "cls.predictions.";
    decoder_.weight = parameters.embeddings.word;
    decoder_.bias = parameters.add(root + "bias", {config.vocab_size}, config.num_layers, kBias);
    decoder_.weight->tied = decoder_.weight->in_products = decoder_.bias->in_products = true;
    dense_ = parameters.add_linear(root + "transform.dense", config.hidden_size, config.hidden_size, config.num_layers);
    norm_ = parameters.add_norm(root + "transform.LayerNorm", config.hidden_size, config.num_layers);
  }

  bool reads_back() const override { return false; }
  // They are few as it is.
  bool labelled_only(bool) const override { return true; }
  std::vector<LinearWeights> linear_maps() const override { return {dense_, decoder_}; }

  at::Tensor scores(const PassContext& context, const at::Tensor& hidden_RH) const override {
    return scores_of(context, transform(context, hidden_RH).y_RH);
  }

  double loss(const PassContext& context, const at::Tensor& hidden_MH, bool labelled_only) const override {
    const at::Tensor labels_M = context.batch.labels(labelled_only);
    double loss_sum = 0;
    for_each_part(context, hidden_MH.size(0), [&](int64_t begin, int64_t end) {
      at::Tensor unwanted;
      loss_sum += context.ops.cross_entropy(scores(context, hidden_MH.slice(0, begin, end)),
                                            labels_M.slice(0, begin, end), 1, unwanted);
      return true;
    });
    return loss_sum;
  }

  HeadGradients gradients(const PassContext& context, at::Tensor hidden_MH, bool labelled_only,
                          const StepNumber& scale, bool input_wanted) const override {
    Ops& ops = context.ops;
    const at::Tensor labels_M = context.batch.labels(labelled_only);
    const Transformed kept = transform(context, hidden_MH);
    HeadGradients result;
    at::Tensor dy_MH = context.empty(hidden_MH.sizes());
    for_each_part(context, hidden_MH.size(0), [&](int64_t begin, int64_t end) {
      const at::Tensor y_RH = kept.y_RH.slice(0, begin, end);
      at::Tensor scores_RV = scores_of(context, y_RH);
      const at::Tensor labels_R = labels_M.slice(0, begin, end);
      if (scale.on_device()) {
        const at::Tensor sum = ops.cross_entropy_on_device(scores_RV, labels_R, scale.tensor, scores_RV);
        result.loss_sum.tensor = result.loss_sum.on_device() ? result.loss_sum.tensor + sum : sum;
      } else {
        result.loss_sum.value += ops.cross_entropy(scores_RV, labels_R, scale.value, scores_RV);
      }
      if (result.loss_sum.is_known_bad()) return false;
      PassContext part = context;
      part.accumulate = context.accumulate || begin > 0;
      ops.bias_backward(scores_RV, part.sink(*decoder_.bias));
      linear_weight_backward(part, scores_RV, y_RH, *decoder_.weight);
      at::Tensor dy_RH = dy_MH.slice(0, begin, end);
      ops.linear_backward(dy_RH, scores_RV, *decoder_.weight);
      return true;
    });
    if (result.loss_sum.is_known_bad()) return result;

    ops.layer_norm_backward(dy_MH, kept.activated_RH, kept.mean_R, kept.rstd_R, norm_.weight->value, {}, dy_MH, dy_MH,
                            context.sink(*norm_.weight), context.sink(*norm_.bias), {});
    ops.activate_backward(dy_MH, kept.pre_RH, context.config.activation, context.sink(*dense_.bias));
    linear_weight_backward(context, dy_MH, hidden_MH, *dense_.weight);
    if (!input_wanted) return result;
    result.dhidden_RH = context.empty(hidden_MH.sizes());
    ops.linear_backward(result.dhidden_RH, dy_MH, *dense_.weight);
    return result;
  }

 private:
  Transformed transform(const PassContext& context, const at::Tensor& hidden_RH) const {
    const int64_t rows = hidden_RH.size(0);
    Transformed result{context.empty(hidden_RH.sizes()), context.empty(hidden_RH.sizes()), context.empty_fp32({rows}),
                       context.empty_fp32({rows}), context.empty(hidden_RH.sizes())};
    linear(context, hidden_RH, dense_, result.pre_RH);
    context.ops.activate(result.pre_RH, dense_.bias->value, context.config.activation, result.activated_RH);
    context.ops.layer_norm(result.activated_RH, {}, {}, {}, norm_.weight->value, norm_.bias->value,
                           context.config.layer_norm_eps, result.y_RH, result.mean_R, result.rstd_R);
    return result;
  }

  at::Tensor scores_of(const PassContext& context, const at::Tensor& y_RH) const {
    at::Tensor scores_RV = context.empty({y_RH.size(0), context.config.vocab_size});
    affine(context, y_RH, decoder_, scores_RV);
    return scores_RV;
  }

  LinearWeights decoder_;  // [vocab, hidden]; its weight is the table of word embeddings
  LinearWeights dense_;    // [hidden, hidden]
  NormWeights norm_;
};

}  // namespace

std::unique_ptr<Head> make_masked_lm_head(const EncoderConfig& config, Parameters& parameters) {
  return std::make_unique<MaskedLmHead>(config, parameters);
}

}  // namespace permafrost
