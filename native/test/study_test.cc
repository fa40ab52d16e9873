// What studies of training ask of model and trainer: losses beside predictions, outputs of layers, moments of gradients.
#include <algorithm>

#include "model/initialise.h"
#include "study/linear_cka.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::small_batch;
using testing::small_config;
using testing::thrown_code;

struct Initialised : Model {
  explicit Initialised(const EncoderConfig& config, Kernels kernels = Kernels::fused) : Model(config, at::kCPU, kernels) {
    initialise(parameters, this->config, 3, {});
  }
};

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST("predictions bring the loss of the labelled tokens along") {
  PackedBatch unlabelled = small_batch();
  unlabelled.labels.clear();
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    Initialised model(small_config(0.3), kernels);
    const Predictions with = model.predict({small_batch(), unlabelled}, nullptr, [] {});
    const LossSum alone = model.loss({small_batch()}, [] {});
    expect(with.loss.labelled == 15 && alone.labelled == 15, "labelled tokens");
    expect(std::abs(with.loss.loss - alone.loss) < 1e-4, "loss ", with.loss.loss, ", expected ", alone.loss);
    expect(with.classes[0] == with.classes[1], "labels change predictions");
  }
}

TEST("hidden states are those of every layer, the last of which the head is given") {
  Initialised model(small_config(0.3));
  PackedBatch batch = small_batch();
  const at::Tensor labelled_PMH = model.hidden_states(batch);
  batch.labels.clear();
  const at::Tensor states_PTH = model.hidden_states(batch);
  expect(states_PTH.sizes() == at::IntArrayRef({4, 20, 24}), "shape ", states_PTH.sizes());
  expect(labelled_PMH.sizes() == at::IntArrayRef({4, 15, 24}), "shape ", labelled_PMH.sizes());
  const std::vector<int32_t> labelled = labelled_tokens(small_batch());
  const at::Tensor rows_M = at::tensor(labelled, at::kLong);
  expect(difference(states_PTH.index_select(1, rows_M), labelled_PMH) == 0, "rows of labelled tokens");
  const auto weight_of = [&](const std::string& name) {
    for (const NamedParameter& named : model.parameters.named()) {
      if (named.name == name) return named.view(named.parameter->value);
    }
    fail(ErrorCode::INTERNAL, name);
  };
  const at::Tensor scores_TC =
      at::matmul(states_PTH[3], weight_of("classifier.weight").t()) + weight_of("classifier.bias");
  expect(difference(scores_TC, model.logits(batch)) < 1e-5, "the last output is not what the head scores");
}

TEST("moments of gradients are those of the single gradients") {
  Initialised model(small_config(0));
  std::vector<PackedBatch> batches;
  for (int32_t b = 0; b < 3; ++b) {
    PackedBatch batch = small_batch();
    for (size_t t = 0; t < batch.input_ids.size(); ++t) batch.input_ids[t] = 1 + (batch.input_ids[t] * (b + 3)) % 49;
    batches.push_back(batch);
  }
  const auto& named = model.parameters.named();
  std::vector<at::Tensor> sums(named.size());
  std::vector<double> squares(named.size(), 0);
  for (const PackedBatch& batch : batches) {
    Trainer(model, {}).gradient_norms(batch);
    for (size_t i = 0; i < named.size(); ++i) {
      const at::Tensor gradient = named[i].view(named[i].parameter->grad).to(at::kDouble);
      sums[i] = sums[i].defined() ? sums[i] + gradient : gradient.clone();
      squares[i] += gradient.square().sum().item<double>();
    }
  }
  const std::vector<GradientMoments> moments = Trainer(model, {}).gradient_moments({batches.begin(), batches.end()}, [] {});
  for (size_t i = 0; i < named.size(); ++i) {
    const double mean = squares[i] / 3, of_mean = (sums[i] / 3).square().sum().item<double>();
    expect(std::abs(moments[i].mean_squared_norm - mean) <= 1e-5 * mean, named[i].name, ": mean of squares");
    expect(std::abs(moments[i].squared_norm_of_mean - of_mean) <= 1e-5 * mean, named[i].name, ": square of the mean");
    expect(mean >= of_mean, named[i].name, ": no variance is below zero");
  }
}

TEST("a comparison part by part is that of all tokens at once") {
  at::manual_seed(5);
  // Means far from zero, as LayerNorms give them.
  const at::Tensor x_PRH = at::randn({2, 300, 12}) + 40;
  at::Tensor y_PRH = at::randn({2, 300, 12}) - 7;
  // Rotated and scaled, which linear CKA does not see.
  y_PRH[1] = at::matmul(x_PRH[1], std::get<0>(at::linalg_qr(at::randn({12, 12})))) * 3;
  LinearCka parts(2);
  for (int64_t begin = 0; begin < 300; begin += 70) {
    const int64_t end = std::min<int64_t>(begin + 70, 300);
    parts.add(x_PRH.slice(1, begin, end).contiguous(), y_PRH.slice(1, begin, end).contiguous());
  }
  expect(parts.tokens() == 300, "tokens");
  // By the kernels' own definition: HSIC(K, L) = tr(K C L C) with C the centring matrix.
  const at::Tensor centring = at::eye(300, at::kDouble) - 1.0 / 300;
  for (int64_t p = 0; p < 2; ++p) {
    const at::Tensor x_RH = x_PRH[p].to(at::kDouble), y_RH = y_PRH[p].to(at::kDouble);
    const at::Tensor k_RR = at::matmul(centring, at::matmul(at::matmul(x_RH, x_RH.t()), centring));
    const at::Tensor l_RR = at::matmul(centring, at::matmul(at::matmul(y_RH, y_RH.t()), centring));
    const double expected =
        (k_RR * l_RR).sum().item<double>() / (k_RR.norm().item<double>() * l_RR.norm().item<double>());
    const double got = parts.values()[static_cast<size_t>(p)];
    expect(std::abs(got - expected) < 1e-5, "pair ", p, ": ", got, ", expected ", expected);
    if (p == 1) expect(got > 0.9999, "a rotation changes it: ", got);
  }
  expect(thrown_code([&] { parts.add(x_PRH, y_PRH.slice(1, 0, 9)); }) == ErrorCode::INVALID_BATCH, "other tokens");
  expect(thrown_code([] { LinearCka(1).values(); }) == ErrorCode::INVALID_OPTION, "nothing was compared");
}

}  // namespace
}  // namespace permafrost
