// The losses of unbalanced labels against PyTorch's own in double precision, and their scale over batches and ranks.
#include <torch/torch.h>

#include "model/initialise.h"
#include "model/model.h"
#include "ops/token_loss.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

namespace F = torch::nn::functional;
using testing::expect;
using testing::small_config;

constexpr int64_t kTokens = 23, kLabels = 5;

at::Tensor some_labels() {
  at::Tensor labels = at::arange(kTokens, at::kInt).remainder(kLabels).to(at::kInt);
  labels.slice(0, 0, kTokens, 4).fill_(kIgnoredLabel);
  return labels;
}

at::Tensor weights_of(const TokenLossOptions& options) {
  return options.class_weights.empty() ? at::ones({kLabels}, at::kDouble) : at::tensor(options.class_weights, at::kDouble);
}

// Mean loss by PyTorch's functions, in double precision.
torch::Tensor reference(const TokenLossOptions& options, const torch::Tensor& logits, const torch::Tensor& labels) {
  const at::Tensor weights = weights_of(options), long_labels = labels.to(at::kLong);
  if (options.focal_gamma == 0) {
    return F::cross_entropy(logits, long_labels, F::CrossEntropyFuncOptions()
                                                     .weight(weights)
                                                     .ignore_index(kIgnoredLabel)
                                                     .label_smoothing(options.label_smoothing));
  }
  const torch::Tensor counted = long_labels.ne(kIgnoredLabel).nonzero().flatten();
  const torch::Tensor known = long_labels.index_select(0, counted);
  const torch::Tensor log_p = logits.index_select(0, counted).log_softmax(1).gather(1, known.unsqueeze(1)).squeeze(1);
  const torch::Tensor w = weights.index_select(0, known);
  // Where 1 - p is 0 autograd would multiply 0 by an infinite slope.
  const torch::Tensor rest = log_p.expm1().neg().clamp_min(1e-300);
  return (w * rest.pow(options.focal_gamma) * log_p).sum().neg() / w.sum();
}

std::vector<TokenLossOptions> every_loss() {
  const std::vector<double> weights{0.2, 1, 3.5, 0.75, 2};
  return {{weights, 0, 0}, {{}, 0.1, 0}, {weights, 0.3, 0}, {{}, 0, 2}, {{}, 0, 0.5}, {weights, 0, 1.5}};
}

TEST("weighted, smoothed and focal losses and their gradients are PyTorch's") {
  at::manual_seed(3);
  const at::Tensor labels = some_labels();
  // From uncertain to certain, where 1 - p is lost to rounding.
  for (const double sharpness : {1.0, 8.0, 60.0}) {
    const at::Tensor logits = at::randn({kTokens, kLabels}) * sharpness;
    for (const TokenLossOptions& options : every_loss()) {
      const TokenLoss loss(options, kLabels, at::kCPU);
      double weight = 0;
      for (int64_t t = 0; t < kTokens; ++t) {
        const auto label = labels[t].item<int32_t>();
        if (label != kIgnoredLabel) weight += loss.weight_of(label);
      }
      torch::Tensor leaf = logits.to(at::kDouble).set_requires_grad(true);
      const torch::Tensor expected = reference(options, leaf, labels);
      expected.backward();
      at::Tensor gradient = logits.clone();
      const at::Tensor sum = loss.compute(gradient, labels, {}, at::full({}, 1 / weight, at::kDouble), gradient);
      const std::string what = "weights " + std::to_string(options.class_weights.size()) + ", smoothing " +
                               std::to_string(options.label_smoothing) + ", gamma " + std::to_string(options.focal_gamma) +
                               ", sharpness " + std::to_string(sharpness) + ": ";
      const double found = sum.item<double>() / weight, wanted = expected.item<double>();
      expect(std::fabs(found - wanted) <= 1e-6 * std::max(1.0, wanted), what, "loss ", found, ", expected ", wanted);
      const double difference = (gradient - leaf.grad()).abs().max().item<double>();
      expect(difference < 1e-6, what, "a gradient differs by ", difference);
    }
  }
}

TEST("a sentence of weight 2 counts as if it came twice") {
  const TokenLossOptions options{{0.2, 1, 3.5, 0.75, 2}, 0.1, 0};
  for (const bool ahead : {false, true}) {
    std::vector<at::Tensor> weights[2];
    double losses[2];
    for (const bool twice : {false, true}) {
      PackedBatch batch = testing::small_batch();
      if (twice) {
        batch.input_ids.insert(batch.input_ids.end(), batch.input_ids.begin() + 8, batch.input_ids.begin() + 20);
        batch.labels.insert(batch.labels.end(), batch.labels.begin() + 8, batch.labels.begin() + 20);
        batch.cu_seqlens.push_back(32);
      } else {
        batch.weights = {1, 1, 2};
      }
      Model model(small_config(0), at::kCPU, Kernels::fused);
      initialise(model.parameters, model.config, 3, {});
      TrainerOptions trainer_options;
      trainer_options.learning_rate = 1e-3;
      trainer_options.schedule = Schedule::constant;
      trainer_options.adamw.eps = 1e-4;
      trainer_options.loss = options;
      trainer_options.launch_ahead_on_cpu = ahead;
      Trainer trainer(model, trainer_options);
      losses[twice] = trainer.step(batch).loss;
      trainer.settle();
      for (const Parameter& parameter : model.parameters.stored()) weights[twice].push_back(parameter.value.clone());
    }
    expect(std::fabs(losses[0] - losses[1]) < 1e-6, "losses ", losses[0], " and ", losses[1]);
    for (size_t i = 0; i < weights[0].size(); ++i) {
      const double difference = (weights[0][i] - weights[1][i]).abs().max().item<double>();
      expect(difference < 2e-6, "weight ", i, " differs by ", difference);
    }
  }
}

TEST("batches of an update are weighed by what their labels count for, not by how many they are") {
  const PackedBatch whole = testing::small_batch();
  PackedBatch first{{whole.input_ids.begin(), whole.input_ids.begin() + 8},
                    {whole.labels.begin(), whole.labels.begin() + 8}, {0, 7, 8}};
  PackedBatch second{{whole.input_ids.begin() + 8, whole.input_ids.end()},
                     {whole.labels.begin() + 8, whole.labels.end()}, {0, 12}};
  double norms[2], losses[2];
  for (const int parts : {1, 2}) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    TrainerOptions options;
    options.gradient_accumulation = parts;
    options.loss = {{0.1, 1, 5, 1, 2}, 0, 2};
    Trainer trainer(model, options);
    if (parts == 1) {
      const StepResult result = trainer.step(whole);
      norms[0] = result.grad_norm;
      losses[0] = result.loss;
    } else {
      const StepResult early = trainer.step(first), late = trainer.step(second);
      norms[1] = late.grad_norm;
      losses[1] = (early.loss * early.weight + late.loss * late.weight) / (early.weight + late.weight);
    }
  }
  expect(std::fabs(norms[0] - norms[1]) < 1e-5 * norms[0], "norms ", norms[0], " and ", norms[1]);
  expect(std::fabs(losses[0] - losses[1]) < 1e-6, "losses ", losses[0], " and ", losses[1]);
}

TEST("weights of 1 train as no weights do") {
  const auto trained = [](bool weighted) {
    Model model(small_config(0.1), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    TrainerOptions options;
    options.learning_rate = 1e-3;
    options.schedule = Schedule::constant;
    if (weighted) options.loss = {{1, 1, 1, 1, 1}, 0, 0};
    Trainer trainer(model, options);
    std::vector<double> losses;
    for (int step = 0; step < 3; ++step) losses.push_back(trainer.step(testing::small_batch()).loss);
    return losses;
  };
  const std::vector<double> plain = trained(false), weighted = trained(true);
  for (size_t i = 0; i < plain.size(); ++i) {
    expect(std::fabs(plain[i] - weighted[i]) < 1e-5, "step ", i, ": ", plain[i], " and ", weighted[i]);
  }
}

TEST("a loss that no head or no number allows is refused") {
  Model model(small_config(0), at::kCPU, Kernels::fused);
  const auto refuses = [&](const TokenLossOptions& loss) {
    TrainerOptions options;
    options.loss = loss;
    expect(testing::thrown_code([&] { Trainer(model, options); }) == ErrorCode::INVALID_OPTION, "was not refused");
  };
  refuses({{1, 1}, 0, 0});
  refuses({{1, 1, 0, 1, 1}, 0, 0});
  refuses({{}, 1, 0});
  refuses({{}, 0, -1});
  refuses({{}, 0.1, 2});
  PackedBatch batch = testing::small_batch();
  Trainer trainer(model, {});
  for (const std::vector<float>& weights : {std::vector<float>{1, 1}, std::vector<float>{1, 0, 1}}) {
    batch.weights = weights;
    expect(testing::thrown_code([&] { trainer.step(batch); }) == ErrorCode::INVALID_BATCH, "weights were not refused");
  }
}

}  // namespace
}  // namespace permafrost
