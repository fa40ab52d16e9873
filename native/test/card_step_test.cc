// Whole training steps, launched ahead, with the kernels over rows and that of the update on the emulator.
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "ops/cuda/kernel_rows.h"
#include "ops/cuda/kernel_update.h"
#include "ops/plain/plain_ops.h"
#include "test/emulator/emulated_kernels.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

// The plain operations, but for those that have kernels.
class RowOps : public PlainOps {
 public:
  explicit RowOps(at::ScalarType type) : rows_(kernels, type) {}

  void begin_pass() override { rows_.begin_pass(); }
  void finish_gradients() override { rows_.finish_sums(); }
  void embed(const BatchTensors& batch, const at::Tensor& word, const at::Tensor& position, const at::Tensor& type,
             at::Tensor& sum) override {
    expect(rows_.embed(batch, word, position, type, sum), "embed");
  }
  void embed_backward(const BatchTensors& batch, const at::Tensor& dsum, int64_t pad, const GradSink& dword,
                      const GradSink& dposition, const GradSink& dtype) override {
    expect(rows_.embed_backward(batch, dsum, pad, dword, dposition, dtype), "embed_backward");
  }
  void layer_norm(at::Tensor& sum, const at::Tensor& bias, const at::Tensor& residual, const Dropout& dropout,
                  const at::Tensor& weight, const at::Tensor& norm_bias, double eps, at::Tensor& y, at::Tensor& mean,
                  at::Tensor& rstd) override {
    expect(rows_.layer_norm(sum, bias, residual, dropout, weight, norm_bias, eps, y, mean, rstd), "layer_norm");
  }
  void layer_norm_backward(const at::Tensor& dy, const at::Tensor& sum, const at::Tensor&, const at::Tensor& rstd,
                           const at::Tensor& weight, const Dropout& dropout, at::Tensor& dsum, at::Tensor& dbranch,
                           const GradSink& dweight, const GradSink& dnorm_bias, const GradSink& dbias) override {
    expect(rows_.layer_norm_backward(dy, sum, rstd, weight, dropout, dsum, dbranch, dweight, dnorm_bias, dbias),
           "layer_norm_backward");
  }
  void activate(at::Tensor& pre, const at::Tensor& bias, Activation activation, at::Tensor& y) override {
    expect(rows_.activate(pre, bias, activation, y), "activate");
  }
  void activate_backward(at::Tensor& dy, const at::Tensor& pre, Activation activation, const GradSink& dbias) override {
    expect(rows_.activate_backward(dy, pre, activation, dbias), "activate_backward");
  }
  bool joins_activations() const override { return true; }
  void activate_and_back(at::Tensor& dy, at::Tensor& pre, Activation activation, const GradSink& dbias) override {
    expect(rows_.activate_backward(dy, pre, activation, dbias, true), "activate_and_back");
  }
  void dropout(at::Tensor& x, const Dropout& dropout) override { expect(rows_.dropout(x, dropout), "dropout"); }
  void bias_backward(const at::Tensor& dy, const GradSink& dbias) override {
    // A head has as many columns as labels.
    if (!rows_.bias_backward(dy, dbias)) PlainOps::bias_backward(dy, dbias);
  }
  at::Tensor cross_entropy_on_device(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& scale,
                                     at::Tensor& dlogits) override {
    at::Tensor loss;
    expect(rows_.cross_entropy(logits, labels, scale, dlogits, loss), "cross_entropy");
    return loss;
  }
  std::unique_ptr<ListedUpdate> listed_update(const UpdateList& list) override {
    return update_by_kernels(kernels, list);
  }

  EmulatedKernels kernels;

 private:
  RowKernels rows_;
};

PackedBatch batch_of(int32_t seed) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (const int32_t length : {7, 1, 12 + seed % 3}) {
    for (int32_t t = 0; t < length; ++t) {
      const auto number = static_cast<int32_t>(batch.input_ids.size()) * 7 + seed * 13;
      batch.input_ids.push_back(1 + number % 59);
      batch.labels.push_back(number % 3 == 0 ? kIgnoredLabel : number % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

struct Trained {
  Trained(at::ScalarType type, bool on_emulator, const TrainerOptions& options)
      : model(testing::small_bert(0.1), at::kCPU, Kernels::plain, type) {
    if (on_emulator) model.ops = std::make_unique<RowOps>(type);
    initialise(model.parameters, model.config, 5, {});
    trainer = std::make_unique<Trainer>(model, options);
  }
  Model model;
  std::unique_ptr<Trainer> trainer;
};

TEST("card kernels: steps train as those of the plain operations, over changing plans") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TrainerOptions options;
    options.learning_rate = 1e-3;
    options.total_steps = 40;
    options.max_grad_norm = 0.5;
    options.adamw.eps = 1e-6;
    options.gradient_accumulation = 2;
    options.sums_gradients = true;
    options.launch_ahead_on_cpu = true;
    Trained plain(type, false, options), kernels(type, true, options);
    const double tolerance = type == at::kFloat ? 2e-5 : 5e-3;
    int32_t seed = 0;
    for (const FreezePlan& plan : std::vector<FreezePlan>{{false, {0, 0, 0}, {0, 0, 0}},
                                                          {true, {1, 0, 0}, {0, 0, 0}},
                                                          {true, {0, 0, 1}, {0, kFeedForward, 0}},
                                                          {true, {1, 1, 1}, {0, 0, 0}},
                                                          {false, {0, 0, 0}, {0, 0, 0}}}) {
      for (Trained* trained : {&plain, &kernels}) {
        apply_plan(trained->model.parameters, plan, &trained->trainer->optimizer());
        trained->model.weights_changed();
      }
      for (int step = 0; step < 4; ++step) {
        const StepResult a = plain.trainer->step(batch_of(++seed)), b = kernels.trainer->step(batch_of(seed));
        expect(std::fabs(a.loss - b.loss) <= tolerance * a.loss, "loss ", a.loss, " against ", b.loss);
        expect(a.updated == b.updated, "updated");
        if (a.updated) {
          expect(std::fabs(a.grad_norm - b.grad_norm) <= 10 * tolerance * a.grad_norm, "norm ", a.grad_norm,
                 " against ", b.grad_norm);
        }
      }
      const auto a = plain.trainer->optimizer().take_gradient_l1(), b = kernels.trainer->optimizer().take_gradient_l1();
      for (size_t layer = 0; layer < a.size(); ++layer) {
        expect(std::fabs(a[layer] - b[layer]) <= 30 * tolerance * a[layer], "sum of layer ", layer, ": ", a[layer],
               " against ", b[layer]);
      }
    }
    const auto& launches = static_cast<RowOps&>(*kernels.model.ops).kernels.launches();
    expect(launches.at("adamw") == 10 && launches.at("sum_parts") <= seed, "launches of a step");
    for (size_t i = 0; type == at::kFloat && i < plain.model.parameters.named().size(); ++i) {
      const NamedParameter &a = plain.model.parameters.named()[i], &b = kernels.model.parameters.named()[i];
      const double difference = (a.view(a.parameter->value) - b.view(b.parameter->value)).abs().max().item<double>();
      expect(difference < 2e-5, a.name, " differs by ", difference);
    }
  }
}

}  // namespace
}  // namespace permafrost
