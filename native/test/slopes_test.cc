// The gradient of the whole model is the slope of its loss under the same dropout masks.
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::small_batch;
using testing::small_config;

// The pass whose masks are held still.
constexpr uint32_t kPass = 5;

double loss_of(Model& model, const PackedBatch& batch) {
  TrainerOptions still;
  still.learning_rate = 0;
  Trainer trainer(model, still);
  trainer.seek({0, kPass});
  return trainer.step(batch).loss;
}

// Slope along a direction of unit length, by central differences at two distances whose cubic errors cancel.
double measured_slope(Model& model, const PackedBatch& batch, Parameter& parameter, const at::Tensor& direction) {
  constexpr double kStep = 0.006;
  const at::Tensor value = parameter.value.clone();
  const auto difference = [&](double distance) {
    parameter.value.copy_(value + distance * direction);
    const double above = loss_of(model, batch);
    parameter.value.copy_(value - distance * direction);
    return above - loss_of(model, batch);
  };
  const double slope = (8 * difference(kStep) - difference(2 * kStep)) / (12 * kStep);
  parameter.value.copy_(value);
  return slope;
}

void expect_slopes(const EncoderConfig& config, Kernels kernels, const FreezePlan& plan, const PackedBatch& batch) {
  Model model(config, at::kCPU, kernels);
  initialise(model.parameters, model.config, 3, {});
  apply_plan(model.parameters, plan, nullptr);
  Trainer trainer(model, {});
  trainer.seek({0, kPass});
  trainer.gradient_norms(batch);
  std::vector<std::pair<Parameter*, at::Tensor>> gradients;
  for (Parameter& parameter : model.parameters.stored()) {
    if (parameter.requires_grad) gradients.emplace_back(&parameter, parameter.grad.clone());
  }
  at::manual_seed(8);
  for (const auto& [parameter, gradient] : gradients) {
    // Along the gradient the slope is steepest; a random direction finds what is missing from it.
    const at::Tensor random = at::randn_like(gradient);
    for (const at::Tensor& along : {gradient, random}) {
      const double norm = along.norm().item<double>();
      if (norm < 1e-5) continue;  // the key's bias: nothing but rounding
      const at::Tensor direction = along / norm;
      const double slope = (gradient * direction).sum().item<double>();
      const double measured = measured_slope(model, batch, *parameter, direction);
      expect(std::fabs(measured - slope) < 1e-4 + 2e-3 * std::fabs(slope), config.head, ", layer ", parameter->layer,
             ", parts ", int{parameter->parts}, ", shape ", parameter->value.sizes(), ": slope ", measured,
             ", gradient ", slope);
    }
  }
}

const FreezePlan kPlans[] = {
    {false, {0, 0, 0}, {0, 0, 0}},
    {true, {1, 0, 0}, {0, 0, 0}},
    {true, {0, 0, 1}, {0, kAttention | kLayerNorm, 0}},
    {false, {1, 0, 0}, {0, kFeedForward, kBias}},
};

TEST("gradients are the slopes of the loss with dropout on, whatever is frozen, below a classifier") {
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    for (const FreezePlan& plan : kPlans) expect_slopes(small_config(0.15), kernels, plan, small_batch());
  }
}

TEST("gradients are the slopes of the loss with dropout on, whatever is frozen, of a masked language model") {
  EncoderConfig config = small_config(0.15);
  config.head = "masked-lm";
  config.num_labels = config.vocab_size;
  PackedBatch batch = small_batch();
  for (size_t t = 0; t < batch.labels.size(); ++t) {
    batch.labels[t] = t % 3 == 0 ? static_cast<int32_t>((t * 7) % 50) : kIgnoredLabel;
  }
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    for (const FreezePlan& plan : kPlans) expect_slopes(config, kernels, plan, batch);
  }
}

TEST("gradients are the slopes of the loss with dropout on in disentangled attention") {
  EncoderConfig config = small_config(0.15);
  config.model_type = "deberta-v2";
  config.type_vocab_size = 0;
  config.relative = RelativeAttention{8, 32, true, true, true};
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    for (const FreezePlan& plan : kPlans) expect_slopes(config, kernels, plan, small_batch());
  }
}

}  // namespace
}  // namespace permafrost
