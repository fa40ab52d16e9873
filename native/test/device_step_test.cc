// Steps that are launched ahead of a device, on the CPU: what they compute must be what a step at once computes.
#include "test/twins.h"

namespace permafrost {
namespace {

using testing::batch_of;
using testing::expect;
using testing::options_of;
using testing::small_bert;
using testing::thrown_code;
using testing::Twins;

void trains_alike(Kernels kernels) {
  Twins twins(kernels, small_bert(0.2), options_of(false));
  const std::vector<std::vector<int32_t>> shapes = {{7, 1, 12}, {30, 5, 33, 2}, {3}, {40, 40, 39}};
  const std::vector<FreezePlan> plans = {{false, {0, 0, 0}, {0, 0, 0}},
                                         {true, {1, 0, 0}, {0, 0, 0}},
                                         {true, {0, 0, 1}, {0, kFeedForward, 0}},
                                         {true, {1, 1, 1}, {0, 0, 0}},
                                         {false, {0, 0, 0}, {0, 0, 0}}};
  int32_t seed = 0;
  for (const FreezePlan& plan : plans) {
    twins.freeze(plan);
    for (const auto& lengths : shapes) twins.step(batch_of(lengths, ++seed), 2e-5);
    expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
  }
}

TEST("a launched step trains as one at once, with dropout, over changing plans, on the plain operations") {
  trains_alike(Kernels::plain);
}

TEST("a launched step trains as one at once, with dropout, over changing plans, on the fused operations") {
  trains_alike(Kernels::fused);
}

TEST("a launched step in bf16 trains as one at once") {
  Twins twins(Kernels::plain, small_bert(0.2), options_of(false), at::kBFloat16);
  for (int32_t seed = 0; seed < 4; ++seed) twins.step(batch_of({9, 20, 4}, seed), 5e-3);
}

TEST("launched steps accumulate gradients as steps at once do") {
  TrainerOptions options = options_of(false);
  options.gradient_accumulation = 3;
  Twins twins(Kernels::plain, small_bert(0.1), options);
  for (int32_t seed = 0; seed < 7; ++seed) twins.step(batch_of({5 + seed, 9}, seed), 2e-5, seed == 6);
  expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
}

TEST("launched steps have the rates by layer, the stages and the sums of gradients of steps at once") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TrainerOptions options = options_of(false);
    options.layer_decay = 0.7;
    options.head_learning_rate = 5e-3;
    options.sums_gradients = true;
    Twins twins(Kernels::plain, small_bert(0.1), options, type);
    const double tolerance = type == at::kFloat ? 2e-5 : 5e-3;
    const std::vector<FreezePlan> plans = {{true, {1, 1, 0}, {0, 0, 0}},
                                           {true, {1, 0, 0}, {0, 0, 0}},
                                           {false, {0, 0, 0}, {0, 0, 0}},
                                           {true, {0, 0, 1}, {0, 0, 0}}};
    int32_t seed = 0;
    for (const FreezePlan& plan : plans) {
      twins.freeze(plan);
      if (seed > 0) {
        const TrainingStage stage{-1, 3, seed > 5 ? 10 : 0, 1};
        twins.at_once_trainer->begin_stage(stage);
        twins.ahead_trainer->begin_stage(stage);
      }
      for (int step = 0; step < 4; ++step) twins.step(batch_of({7, 12, 5 + step}, ++seed), tolerance);
      const std::vector<double> a = twins.at_once_trainer->optimizer().take_gradient_l1();
      const std::vector<double> b = twins.ahead_trainer->optimizer().take_gradient_l1();
      for (size_t layer = 0; layer < a.size(); ++layer) {
        expect((a[layer] == 0) == (plan.layers[layer] != 0), "layer ", layer, ": a sum of ", a[layer]);
        expect(std::fabs(a[layer] - b[layer]) <= 100 * tolerance * a[layer], "layer ", layer, ": ", a[layer],
               " against ", b[layer]);
      }
      if (type == at::kFloat) {
        expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
      }
    }
  }
}

// A rate of `head` for the head alone.
void expect_refused(double rate, double head, double clip, at::ScalarType type) {
  TrainerOptions options = options_of(false);
  options.schedule = Schedule::constant;
  options.warmup_steps = 0;
  options.learning_rate = rate;
  options.head_learning_rate = head;
  options.max_grad_norm = clip;
  options.sums_gradients = true;
  Twins twins(Kernels::plain, small_bert(0), options, type);
  const auto weights_of = [](const Model& model) {
    std::vector<at::Tensor> copies;
    for (const Parameter& parameter : model.parameters.stored()) copies.push_back(parameter.value.clone());
    return copies;
  };
  for (const bool ahead : {false, true}) {
    Model& model = ahead ? twins.ahead : twins.at_once;
    Trainer& trainer = ahead ? *twins.ahead_trainer : *twins.at_once_trainer;
    bool refused = false;
    for (int step = 0; step < 20 && !refused; ++step) {
      const std::vector<at::Tensor> before = weights_of(model);
      try {
        trainer.step(batch_of({9, 4}, step));
      } catch (const Error& error) {
        expect(error.code() == ErrorCode::NON_FINITE, error.what());
        refused = true;
      }
      const std::vector<at::Tensor> after = weights_of(model);
      for (size_t i = 0; i < after.size(); ++i) {
        expect(all_finite(after[i]).item<bool>(), "ahead ", ahead, ", step ", step, ": weight ", i, " is not finite");
        expect(!refused || after[i].equal(before[i]), "ahead ", ahead, ", step ", step, ": weight ", i, " moved");
      }
      const at::Tensor& rounded = model.parameters.layers[0].up.weight->rounded;
      if (rounded.defined()) expect(all_finite(rounded).item<bool>(), "a rounded weight is not finite");
    }
    expect(refused, "ahead ", ahead, ": nothing was refused at a rate of ", rate);
    for (const double norm : trainer.optimizer().take_gradient_l1()) expect(std::isfinite(norm), "a sum is not finite");
  }
}

TEST("an update that would make a weight that is not finite is refused, at once and launched ahead") {
  for (const double clip : {0.0, 0.5}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const double rate : {1e33, 1e38, 1e300}) expect_refused(rate, rate, clip, type);
      expect_refused(1e-3, 1e38, clip, type);
    }
  }
}

TEST("an update in doubt that fits is made, to the bits of one that is not in doubt") {
  for (const bool ahead : {false, true}) {
    std::vector<at::Tensor> weights[2];
    for (const bool in_doubt : {false, true}) {
      TrainerOptions options = options_of(false);
      options.launch_ahead_on_cpu = ahead;
      // Either is lost beside the root of a mean square.
      options.adamw.eps = in_doubt ? 1e-36 : 1e-30;
      Model model(small_bert(0.1), at::kCPU, ahead ? Kernels::plain : Kernels::fused);
      initialise(model.parameters, model.config, 5, {});
      Trainer trainer(model, options);
      expect(trainer.optimizer().may_overflow({options.learning_rate}) == in_doubt, "in doubt: ", !in_doubt);
      for (int32_t step = 0; step < 6; ++step) trainer.step(batch_of({9, 4, 6}, step));
      trainer.settle();
      for (const Parameter& parameter : model.parameters.stored()) weights[in_doubt].push_back(parameter.value.clone());
    }
    for (size_t i = 0; i < weights[0].size(); ++i) {
      expect(weights[0][i].equal(weights[1][i]), "ahead ", ahead, ": weight ", i, " has other bits");
    }
  }
}

TEST("moments that come from elsewhere put updates in doubt where they are none, or too large") {
  for (const double moment : {0.1, 1e30}) {
    for (const double square : {1e-4, -1e-4}) {
      Model model(small_bert(0), at::kCPU, Kernels::fused);
      initialise(model.parameters, model.config, 5, {});
      Trainer trainer(model, options_of(false));
      Optimizer::State& state = trainer.optimizer().begin_state(*model.parameters.layers[0].up.bias);
      state.exp_avg.fill_(moment);
      state.exp_avg_sq.fill_(square);
      const bool in_doubt = trainer.optimizer().may_overflow({1e-3});
      expect(in_doubt == (moment > 1 || square < 0), "a moment of ", moment, ", a square of ", square);
    }
  }
}

TEST("a launched step takes the frozen prefix from a store") {
  TrainerOptions options = options_of(false);
  options.frozen_dropout = false;
  Twins twins(Kernels::plain, small_bert(0.2), options);
  twins.freeze({true, {1, 1, 0}, {0, 0, 0}});
  PrefixStoreOptions store_options;
  store_options.memory_budget = 1 << 20;
  store_options.hidden_size = 32;
  store_options.depths = {2};
  PrefixStore one({0, 6, 17, 20}, store_options), other({0, 6, 17, 20}, store_options);
  const PackedBatch batch = batch_of({6, 11, 3}, 1);
  for (int step = 0; step < 3; ++step) {
    const double a = twins.at_once_trainer->step(batch, {false, &one}).loss;
    const double b = twins.ahead_trainer->step(batch, {false, &other}).loss;
    expect(std::fabs(a - b) < 2e-5 * a, "loss ", a, " against ", b);
  }
  expect(other.usage().hits == 6 && other.usage().misses == 3, "rows must come from the store from the second step on");
}

TEST("a launched step that is not finite says so and changes nothing") {
  Twins twins(Kernels::plain, small_bert(0), options_of(false));
  twins.step(batch_of({9, 4}, 1), 2e-5);
  Parameters& parameters = twins.ahead.parameters;
  const at::Tensor weight = parameters.layers[1].up.weight->value;
  const at::Tensor kept = weight.clone();
  weight.fill_(std::numeric_limits<float>::infinity());
  std::vector<at::Tensor> before;
  for (const Parameter& parameter : parameters.stored()) before.push_back(parameter.value.clone());
  expect(thrown_code([&] { twins.ahead_trainer->step(batch_of({9, 4}, 2)); }) == ErrorCode::NON_FINITE,
         "the step must fail");
  size_t i = 0;
  for (const Parameter& parameter : parameters.stored()) {
    expect(parameter.value.equal(before[i++]), "a bad step must change no weight");
  }
  weight.copy_(kept);
  const StepResult next = twins.ahead_trainer->step(batch_of({9, 4}, 3));
  expect(std::isfinite(next.loss) && std::isfinite(next.grad_norm), "the next step must be a good one");
}

}  // namespace
}  // namespace permafrost
