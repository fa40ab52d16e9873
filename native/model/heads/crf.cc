// Conditional random field (Lafferty et al. 2001): the labels of a sequence's words together, as a linear chain. The
// classifier's outputs are the emissions. A chain is the labelled tokens of one sequence, first sub-tokens of words; what
// stands between them is passed over, and a sequence without any has no part in the loss.
//
// The loss is the sum of the chains' negative log likelihoods, whose mean is taken over words, so that it compares with
// a cross-entropy. The recursions run on the host in double precision, on whatever device the model is: emissions are few.
#include <algorithm>

#include "core/parallel.h"
#include "model/heads/chain.h"
#include "model/heads/classifier.h"

namespace permafrost {

namespace {

// Blocks of chains whose gradients are summed apart, and then in their order, so that threads never change a bit.
constexpr int64_t kBlocks = 8;

// The chains of a batch, end to end: chain i holds the places from borders[i] to borders[i + 1].
std::vector<int64_t> chain_borders(const BatchTensors& batch) {
  std::vector<int64_t> borders{0};
  const std::vector<int32_t>& ends = *batch.cu_seqlens;
  for (size_t sequence = 1; sequence < ends.size(); ++sequence) {
    const auto end = std::lower_bound(batch.labelled.begin(), batch.labelled.end(), ends[sequence]);
    const int64_t place = end - batch.labelled.begin();
    if (place > borders.back()) borders.push_back(place);
  }
  return borders;
}

at::Tensor on_host(const at::Tensor& tensor, at::ScalarType type) { return tensor.to(at::kCPU, type).contiguous(); }

std::vector<double> doubles_of(const Parameter& parameter) {
  const at::Tensor values = on_host(parameter.value, at::kDouble);
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

void put(const GradSink& sink, const std::vector<double>& values, double scale) {
  if (!sink.wanted()) return;
  at::Tensor target = sink.grad;
  const at::Tensor scaled = at::tensor(values, at::kDouble).mul_(scale).view(target.sizes()).to(target.options());
  if (sink.accumulate) {
    target.add_(scaled);
  } else {
    target.copy_(scaled);
  }
}

class CrfHead : public ClassifierHead {
 public:
  // Declared as biases are: they begin at 0, where the head is that of a token by itself, and have no weight decay.
  CrfHead(const EncoderConfig& config, Parameters& parameters)
      : ClassifierHead(config, parameters),
        start_(parameters.add("crf.start_transitions", {config.num_labels}, config.num_layers, kBias)),
        end_(parameters.add("crf.end_transitions", {config.num_labels}, config.num_layers, kBias)),
        transitions_(
            parameters.add("crf.transitions", {config.num_labels, config.num_labels}, config.num_layers, kBias)) {}

  Decoded decode(const PassContext& context, const at::Tensor& hidden_TH) const override {
    Decoded decoded{best_classes(context, hidden_TH)};
    if (context.batch.labelled.empty()) return decoded;
    decoded.loss_sum = loss(context, hidden_TH.index_select(0, context.batch.labelled_M), true);
    return decoded;
  }

  double loss(const PassContext& context, const at::Tensor& hidden_RH, bool labelled_only) const override {
    return run(context, scores(context, hidden_RH), labelled_only, nullptr, nullptr);
  }

 protected:
  StepNumber loss_of_scores(const PassContext& context, at::Tensor& scores_RC, bool labelled_only,
                            const StepNumber& scale) const override {
    at::Tensor demissions_MC;
    ChainGradients gradients(context.config.num_labels);
    const double loss = run(context, scores_RC, labelled_only, &demissions_MC, &gradients);
    put(context.sink(*start_), gradients.start_C, scale.value);
    put(context.sink(*end_), gradients.end_C, scale.value);
    put(context.sink(*transitions_), gradients.scores_CC, scale.value);
    const at::Tensor dscores_MC = demissions_MC.mul_(scale.value).to(scores_RC.options());
    if (labelled_only) {
      scores_RC.copy_(dscores_MC);
    } else {
      scores_RC.zero_().index_copy_(0, context.batch.labelled_M.to(at::kLong), dscores_MC);
    }
    return {loss};
  }

 private:
  // Sum over the chains of the batch; demissions_MC and `gradients` are wanted together or not at all.
  double run(const PassContext& context, const at::Tensor& scores_RC, bool labelled_only, at::Tensor* demissions_MC,
             ChainGradients* gradients) const {
    const BatchTensors& batch = context.batch;
    const int64_t classes = context.config.num_labels;
    const at::Tensor emissions_MC =
        on_host(labelled_only ? scores_RC : scores_RC.index_select(0, batch.labelled_M), at::kFloat);
    const at::Tensor labels_M = on_host(batch.labels(true), at::kInt);
    const std::vector<int64_t> borders = chain_borders(batch);
    const auto chains = static_cast<int64_t>(borders.size()) - 1;
    const ChainTransitions transitions(doubles_of(*start_), doubles_of(*transitions_), doubles_of(*end_));
    if (gradients != nullptr) *demissions_MC = at::empty(emissions_MC.sizes(), at::kDouble);
    const float* emissions = emissions_MC.data_ptr<float>();
    const int32_t* labels = labels_M.data_ptr<int32_t>();
    double* demissions = gradients != nullptr ? demissions_MC->data_ptr<double>() : nullptr;

    std::vector<double> losses(kBlocks);
    std::vector<ChainGradients> parts(gradients != nullptr ? kBlocks : 0, ChainGradients(classes));
    parallel_for(kBlocks, 1, [&](int64_t block) {
      for (int64_t chain = block * chains / kBlocks; chain < (block + 1) * chains / kBlocks; ++chain) {
        const int64_t begin = borders[chain];
        const double weight = batch.weight_of(batch.labelled[begin]);
        losses[block] += weight * chain_loss(transitions, emissions + begin * classes, labels + begin,
                                             borders[chain + 1] - begin, weight,
                                             gradients != nullptr ? demissions + begin * classes : nullptr,
                                             gradients != nullptr ? &parts[block] : nullptr);
      }
    });
    double loss = 0;
    for (const double part : losses) loss += part;
    for (const ChainGradients& part : parts) gradients->add(part);
    return loss;
  }

  Parameter* const start_;        // [labels]
  Parameter* const end_;          // [labels]
  Parameter* const transitions_;  // [from, to]
};

}  // namespace

std::unique_ptr<Head> make_crf_head(const EncoderConfig& config, Parameters& parameters) {
  return std::make_unique<CrfHead>(config, parameters);
}

}  // namespace permafrost
