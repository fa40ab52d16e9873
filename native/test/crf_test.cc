// The linear chain against the sum over every path, and the head's gradients against differences of its loss.
#include <map>

#include "freezing/apply_plan.h"
#include "model/heads/chain.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

constexpr int64_t kClasses = 4;

// A chain's scores, of which some may be forbidden as masks forbid them.
struct Scores {
  Scores(int64_t length, double spread, double forbidden, uint64_t seed) : length(length) {
    at::manual_seed(seed);
    const auto draw = [&](int64_t count) {
      const at::Tensor values = at::randn({count}, at::kDouble) * spread;
      return std::vector<double>(values.data_ptr<double>(), values.data_ptr<double>() + count);
    };
    start = draw(kClasses);
    end = draw(kClasses);
    transitions = draw(kClasses * kClasses);
    for (const double score : draw(length * kClasses)) emissions.push_back(static_cast<float>(score));
    for (int64_t n = 0; n < length; ++n) labels.push_back(static_cast<int32_t>((n * 3 + 1) % kClasses));
    if (forbidden != 0) transitions[1] = transitions[6] = start[2] = forbidden;
  }

  ChainTransitions chain() const { return {start, transitions, end}; }
  double score(const std::vector<int32_t>& path) const {
    double sum = start[path[0]] + end[path.back()];
    for (int64_t n = 0; n < length; ++n) sum += emissions[n * kClasses + path[n]];
    for (int64_t n = 1; n < length; ++n) sum += transitions[path[n - 1] * kClasses + path[n]];
    return sum;
  }

  int64_t length;
  std::vector<double> start, end, transitions;
  std::vector<float> emissions;
  std::vector<int32_t> labels;
};

std::vector<std::vector<int32_t>> every_path(int64_t length) {
  std::vector<std::vector<int32_t>> paths{{}};
  for (int64_t n = 0; n < length; ++n) {
    std::vector<std::vector<int32_t>> longer;
    for (const auto& path : paths) {
      for (int32_t c = 0; c < kClasses; ++c) {
        longer.push_back(path);
        longer.back().push_back(c);
      }
    }
    paths = longer;
  }
  return paths;
}

TEST("the likelihood of a chain and its gradients are those of the sum over every path") {
  for (const double forbidden : {0.0, -30.0, -1e4}) {
    for (const double spread : {0.5, 40.0, 900.0}) {
      for (const int64_t length : {1, 2, 5}) {
        const Scores scores(length, spread, forbidden, static_cast<uint64_t>(length));
        const auto paths = every_path(length);
        double largest = scores.score(paths[0]), sum = 0;
        for (const auto& path : paths) largest = std::max(largest, scores.score(path));
        for (const auto& path : paths) sum += std::exp(scores.score(path) - largest);
        const double log_z = largest + std::log(sum);

        ChainGradients expected(kClasses), found(kClasses);
        std::vector<double> emissions(static_cast<size_t>(length * kClasses)), demissions(emissions.size());
        const auto count = [&](const std::vector<int32_t>& path, double share) {
          expected.start_C[path[0]] += share;
          expected.end_C[path.back()] += share;
          for (int64_t n = 0; n < length; ++n) emissions[n * kClasses + path[n]] += share;
          for (int64_t n = 1; n < length; ++n) expected.scores_CC[path[n - 1] * kClasses + path[n]] += share;
        };
        constexpr double kWeight = 2.5;
        for (const auto& path : paths) count(path, kWeight * std::exp(scores.score(path) - log_z));
        count(scores.labels, -kWeight);

        const double loss = chain_loss(scores.chain(), scores.emissions.data(), scores.labels.data(), length, kWeight,
                                       demissions.data(), &found);
        const double wanted = log_z - scores.score(scores.labels);
        const std::string what = "forbidden " + std::to_string(forbidden) + ", spread " + std::to_string(spread) +
                                 ", length " + std::to_string(length) + ": ";
        expect(std::fabs(loss - wanted) <= 1e-12 * std::max(1.0, std::fabs(log_z)), what, loss, " against ", wanted);
        const auto alike = [&](const std::vector<double>& a, const std::vector<double>& b, const char* which) {
          for (size_t i = 0; i < a.size(); ++i) {
            expect(std::fabs(a[i] - b[i]) < 1e-9, what, which, " ", i, ": ", a[i], " against ", b[i]);
          }
        };
        alike(demissions, emissions, "emission");
        alike(found.start_C, expected.start_C, "start");
        alike(found.end_C, expected.end_C, "end");
        alike(found.scores_CC, expected.scores_CC, "transition");
        const double alone = chain_loss(scores.chain(), scores.emissions.data(), scores.labels.data(), length, 1, nullptr,
                                        nullptr);
        expect(alone == loss, what, "the loss without gradients is another one");
      }
    }
  }
}

EncoderConfig crf_config() {
  EncoderConfig config = testing::small_config(0);
  config.head = "crf";
  return config;
}

void draw(Model& model) {
  initialise(model.parameters, model.config, 3, {});
  at::manual_seed(9);
  for (const char* name : {"crf.start_transitions", "crf.end_transitions", "crf.transitions"}) {
    model.parameters.named(name).parameter->value.normal_();
  }
}

TEST("the head's gradients are the differences of its loss, and the loss is a mean over words") {
  Model model(crf_config(), at::kCPU, Kernels::fused);
  draw(model);
  PackedBatch batch = testing::small_batch();
  batch.weights = {1, 3, 0.5};
  TrainerOptions options;
  options.learning_rate = 0;
  Trainer trainer(model, options);
  // Chains of 5, 1 and 9 words; the second sequence has its only token's label.
  const StepResult result = trainer.step(batch);
  expect(result.labelled == 15 && std::fabs(result.weight - (5 + 3 + 4.5)) < 1e-9, "weight ", result.weight);
  const auto loss_at = [&] { return trainer.step(batch).loss; };
  trainer.gradient_norms(batch);
  std::map<const Parameter*, at::Tensor> gradients;
  for (const Parameter& parameter : model.parameters.stored()) gradients[&parameter] = parameter.grad.clone();
  for (const char* name : {"crf.start_transitions", "crf.end_transitions", "crf.transitions", "classifier.weight",
                           "classifier.bias", "bert.encoder.layer.1.output.dense.weight"}) {
    const Parameter* parameter = model.parameters.named(name).parameter;
    at::Tensor value = parameter->value.view({-1});
    const at::Tensor gradient = gradients.at(parameter).reshape({-1});
    for (const int64_t i : {int64_t{0}, value.numel() / 2, value.numel() - 1}) {
      constexpr float kStep = 1e-2f;
      const float before = value[i].item<float>();
      value[i] = before + kStep;
      const double above = loss_at();
      value[i] = before - kStep;
      const double below = loss_at();
      value[i] = before;
      const double expected = (above - below) / (2 * kStep), found = gradient[i].item<double>();
      expect(std::fabs(found - expected) < 2e-4 + 1e-3 * std::fabs(expected), name, " ", i, ": ", found, " against ",
             expected);
    }
  }
}

TEST("a chain passes over tokens without a label, and every token computed gives what the labelled ones alone give") {
  Model model(crf_config(), at::kCPU, Kernels::fused);
  draw(model);
  PackedBatch batch = testing::small_batch();
  // The middle sequence has no word: no chain.
  batch.labels[7] = kIgnoredLabel;
  std::vector<at::Tensor> gradients[2];
  double losses[2];
  for (const bool every_token : {false, true}) {
    TrainerOptions options;
    options.learning_rate = 0;
    Trainer own(model, options);
    StepOptions step;
    step.every_token = every_token;
    losses[every_token] = own.step(batch, step).loss;
    for (const Parameter& parameter : model.parameters.stored()) {
      gradients[every_token].push_back(own.optimizer().state_of(parameter)->exp_avg.clone());
    }
  }
  expect(std::fabs(losses[0] - losses[1]) < 1e-6, "losses ", losses[0], " and ", losses[1]);
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    const double difference = (gradients[0][i] - gradients[1][i]).abs().max().item<double>();
    expect(difference < 1e-6, "gradient ", i, " differs by ", difference);
  }
  const LossSum evaluated = model.loss({batch}, [] {});
  const Predictions predictions = model.predict({batch}, nullptr, [] {});
  expect(std::fabs(evaluated.loss / static_cast<double>(evaluated.labelled) - losses[0]) < 1e-6, "evaluation's loss ",
         evaluated.loss);
  expect(std::fabs(evaluated.loss - predictions.loss.loss) < 1e-4, "prediction's loss ", predictions.loss.loss);
}

TEST("transitions of 0 leave each token by itself, as the other head has it") {
  Model chain(crf_config(), at::kCPU, Kernels::fused), token(testing::small_config(0), at::kCPU, Kernels::fused);
  initialise(chain.parameters, chain.config, 3, {});
  initialise(token.parameters, token.config, 3, {});
  const PackedBatch batch = testing::small_batch();
  const double of_chain = chain.loss({batch}, [] {}).loss, of_tokens = token.loss({batch}, [] {}).loss;
  expect(std::fabs(of_chain - of_tokens) < 1e-4, of_chain, " against ", of_tokens);
}

TEST("a chain learns under a frozen encoder, and bf16 computes the same within its rounding") {
  double losses[2];
  for (const bool low : {false, true}) {
    Model model(crf_config(), at::kCPU, Kernels::fused, low ? at::kBFloat16 : at::kFloat);
    draw(model);
    apply_plan(model.parameters, {true, {1, 1, 1}, {0, 0, 0}}, nullptr);
    TrainerOptions options;
    options.learning_rate = 0.05;
    options.adamw.weight_decay = 0;
    options.schedule = Schedule::constant;
    Trainer trainer(model, options);
    const double first = trainer.step(testing::small_batch()).loss;
    for (int step = 0; step < 60; ++step) losses[low] = trainer.step(testing::small_batch()).loss;
    expect(losses[low] < 0.3 * first, "loss ", losses[low], " after ", first);
  }
  expect(std::fabs(losses[0] - losses[1]) < 0.1, "losses ", losses[0], " and ", losses[1]);
}

TEST("class weights and the like are refused for a chain") {
  Model model(crf_config(), at::kCPU, Kernels::fused);
  TrainerOptions options;
  options.loss.label_smoothing = 0.1;
  expect(testing::thrown_code([&] { Trainer(model, options); }) == ErrorCode::INVALID_OPTION, "was not refused");
}

}  // namespace
}  // namespace permafrost
