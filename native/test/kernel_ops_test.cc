// Whole training steps with the operations of a card, their kernels on the emulator, against the plain operations.
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "ops/cuda/kernel_ops.h"
#include "test/emulator/emulated_kernels.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

PackedBatch batch_of(const std::vector<int32_t>& lengths, int32_t seed) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (const int32_t length : lengths) {
    for (int32_t t = 0; t < length; ++t) {
      const auto number = static_cast<int32_t>(batch.input_ids.size()) * 7 + seed * 13;
      batch.input_ids.push_back(1 + number % 59);
      batch.labels.push_back(number % 3 == 0 ? kIgnoredLabel : number % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

// The same training by the plain operations and by those of a card.
struct Twins {
  Twins(const EncoderConfig& config, at::ScalarType type, const TrainerOptions& options)
      : plain(config, at::kCPU, Kernels::plain, type), card(config, at::kCPU, Kernels::plain, type),
        kernels(std::make_shared<EmulatedKernels>()) {
    card.ops = std::make_unique<KernelOps>(at::kCPU, type, config.head_size(), kernels);
    for (Model* model : {&plain, &card}) initialise(model->parameters, config, 5, {});
    plain_trainer = std::make_unique<Trainer>(plain, options);
    card_trainer = std::make_unique<Trainer>(card, options);
  }

  void freeze(const FreezePlan& plan) {
    apply_plan(plain.parameters, plan, &plain_trainer->optimizer());
    apply_plan(card.parameters, plan, &card_trainer->optimizer());
    plain.weights_changed();
    card.weights_changed();
  }

  void step(const PackedBatch& batch, double tolerance) {
    const StepResult a = plain_trainer->step(batch), b = card_trainer->step(batch);
    expect(std::fabs(a.loss - b.loss) <= tolerance * a.loss, "loss ", a.loss, " against ", b.loss);
    expect(a.updated == b.updated, "updated");
    if (!a.updated) return;
    expect(std::fabs(a.grad_norm - b.grad_norm) <= 10 * tolerance * a.grad_norm, "norm ", a.grad_norm, " against ", b.grad_norm);
  }

  double largest_difference() const {
    double largest = 0;
    for (size_t i = 0; i < plain.parameters.named().size(); ++i) {
      const NamedParameter &a = plain.parameters.named()[i], &b = card.parameters.named()[i];
      largest = std::max(largest, (a.view(a.parameter->value) - b.view(b.parameter->value)).abs().max().item<double>());
    }
    return largest;
  }

  int64_t launches(const std::string& name) const {
    const auto found = kernels->launches().find(name);
    return found == kernels->launches().end() ? 0 : found->second;
  }

  Model plain, card;
  std::shared_ptr<EmulatedKernels> kernels;
  std::unique_ptr<Trainer> plain_trainer, card_trainer;
};

TrainerOptions options_of(bool ahead) {
  TrainerOptions options;
  options.learning_rate = 1e-3;
  options.total_steps = 40;
  options.max_grad_norm = 0.5;
  options.adamw.eps = 1e-6;
  options.gradient_accumulation = 2;
  options.launch_ahead_on_cpu = ahead;
  return options;
}

TEST("card operations: a model in bf16 trains as by the plain operations, attention included, over changing plans") {
  EncoderConfig config = testing::small_bert(0.1);
  config.embedding_size = config.hidden_size = 64;
  config.num_layers = 2;
  Twins twins(config, at::kBFloat16, options_of(true));
  int32_t seed = 0;
  for (const FreezePlan& plan : std::vector<FreezePlan>{{false, {0, 0}, {0, 0}}, {true, {1, 0}, {0, 0}}}) {
    twins.freeze(plan);
    for (int step = 0; step < 4; ++step) twins.step(batch_of({7, 1, 33, 12 + seed % 3}, ++seed), 1e-2);
  }
  // Both layers forth; both, then the upper one alone back.
  expect(twins.launches("attention_forward<32>") == 16 && twins.launches("attention_backward<32>") == 12, "attention was ",
         twins.launches("attention_forward<32>"), " and ", twins.launches("attention_backward<32>"));
  expect(twins.launches("adamw") == 4, "updates");
}

TEST("card operations: frozen parts, sums of gradients and no clipping, in fp32") {
  TrainerOptions options = options_of(true);
  options.sums_gradients = true;
  options.max_grad_norm = 0;
  // The gradient of a key's bias is nothing but rounding, and without clipping there is more of it.
  options.adamw.eps = 2e-5;
  Twins twins(testing::small_bert(0.1), at::kFloat, options);
  int32_t seed = 0;
  for (const FreezePlan& plan : std::vector<FreezePlan>{{false, {0, 0, 0}, {0, 0, 0}},
                                                        {true, {0, 0, 1}, {0, kFeedForward, 0}},
                                                        {true, {1, 1, 1}, {0, 0, 0}},
                                                        {true, {1, 0, 0}, {0, kLayerNorm | kBias, 0}}}) {
    twins.freeze(plan);
    for (int step = 0; step < 2; ++step) twins.step(batch_of({7, 1, 12}, ++seed), 2e-5);
    const auto a = twins.plain_trainer->optimizer().take_gradient_l1(), b = twins.card_trainer->optimizer().take_gradient_l1();
    for (size_t layer = 0; layer < a.size(); ++layer) {
      expect(std::fabs(a[layer] - b[layer]) <= 1e-3 * a[layer], "sum of layer ", layer, ": ", a[layer], " against ", b[layer]);
    }
  }
  // A gradient near zero moves a weight by a whole rate in either direction.
  expect(twins.largest_difference() < 5e-5, "weights differ by ", twins.largest_difference());
  // Whatever was summed over tokens was finished at once.
  expect(twins.launches("sum_parts") == seed, twins.launches("sum_parts"), " launches of sum_parts in ", seed, " passes");
}

TEST("card operations: steps at once have the numbers of their masks from the launch") {
  Twins twins(testing::small_bert(0.1), at::kFloat, options_of(false));
  for (int32_t seed = 0; seed < 4; ++seed) twins.step(batch_of({9, 5}, seed), 2e-5);
  expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
  expect(twins.launches("layer_norm<float, float>") > 0, "LayerNorm");
}

TEST("card operations: what no kernel takes is done by libtorch, one operation at a time") {
  EncoderConfig config = testing::small_bert(0);
  // LayerNorm takes no rows of 36, activations take those of 48, and no attention is in fp32.
  config.embedding_size = config.hidden_size = 36;
  Twins twins(config, at::kFloat, options_of(true));
  for (int32_t seed = 0; seed < 4; ++seed) twins.step(batch_of({9, 5, 20}, seed), 2e-5);
  expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
  expect(twins.launches("layer_norm<float, float>") == 0 && twins.launches("activate<float, 0>") > 0, "which");
}

}  // namespace
}  // namespace permafrost
