// What an optimizer step leaves: frozen weights, rows that wait for their updates, accumulated gradients.
#include "engine/engine.h"
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

TEST("a frozen layer gives up gradient and optimizer state and keeps its bytes") {
  Model model(small_config(0.1), at::kCPU, Kernels::fused);
  initialise(model.parameters, model.config, 3, {});
  TrainerOptions options;
  options.learning_rate = 1e-2;
  options.schedule = Schedule::constant;
  Trainer trainer(model, options);
  const PackedBatch batch = small_batch();
  for (int i = 0; i < 3; ++i) trainer.step(batch);
  const size_t all_state = trainer.optimizer().state_bytes();
  apply_plan(model.parameters, {true, {1, 1, 0}, {0, 0, 0}}, &trainer.optimizer());
  expect(trainer.optimizer().state_bytes() < all_state, "no state was dropped");
  std::vector<at::Tensor> before;
  for (const Parameter& parameter : model.parameters.stored()) before.push_back(parameter.value.clone());
  for (int i = 0; i < 3; ++i) trainer.step(batch);
  size_t i = 0;
  for (const Parameter& parameter : model.parameters.stored()) {
    expect(at::equal(parameter.value, before[i++]) == !parameter.requires_grad, "a parameter of layer ",
           parameter.layer, parameter.requires_grad ? " did not learn" : " moved though frozen");
  }
}

TEST("rows of the embeddings that wait for their updates get the bits of updates at once") {
  std::vector<at::Tensor> values[2], moments[2];
  for (const bool by_rows : {false, true}) {
    Model model(small_config(0.1), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    expect(model.parameters.embeddings.word->by_rows, "the table must be kept by rows");
    model.parameters.embeddings.word->by_rows = by_rows;
    TrainerOptions options;
    options.learning_rate = 1e-2;
    options.adamw.weight_decay = 0.1;
    options.layer_decay = 0.8;
    options.warmup_steps = 3;
    options.total_steps = 300;
    options.gradient_accumulation = 2;
    options.max_grad_norm = 0;
    Trainer trainer(model, options);
    // More updates than may be pending at a time.
    for (int32_t step = 0; step < 560; ++step) {
      PackedBatch batch = small_batch();
      // Few ids at a time, some again and again, some once, many never.
      for (size_t t = 0; t < batch.input_ids.size(); ++t) {
        batch.input_ids[t] = t % 3 == 0 ? 7 : 1 + (step / 40 * 5 + static_cast<int32_t>(t) % 4) % 31;
      }
      trainer.step(batch);
      if (step == 11) trainer.settle();
      if (step != 100 && step != 120) continue;
      // The table is thawed with a warm-up, over which rows wait as well.
      apply_plan(model.parameters, {step == 100, {0, 0, 0}, {0, 0, 0}}, &trainer.optimizer());
      trainer.begin_stage({-1, 20});
    }
    if (by_rows) {
      const at::Tensor& grad = model.parameters.embeddings.word->grad;
      const at::Tensor is_zero_V = grad.abs().sum(1).eq(0);
      expect(is_zero_V.sum().item<int64_t>() > 40, "the gradient must be zero in rows of other batches");
    }
    for (Parameter& parameter : model.parameters.stored()) {
      const Optimizer::State* state = trainer.optimizer().state_of(parameter);
      values[by_rows].push_back(parameter.value.clone());
      moments[by_rows].push_back(state->exp_avg.clone());
      moments[by_rows].push_back(state->exp_avg_sq.clone());
    }
  }
  for (size_t i = 0; i < values[0].size(); ++i) expect(at::equal(values[0][i], values[1][i]), "weight ", i, " differs");
  for (size_t i = 0; i < moments[0].size(); ++i) expect(at::equal(moments[0][i], moments[1][i]), "moment ", i, " differs");
}

TEST("a trainer that ends, and a plan that freezes, leave no row of the embeddings behind") {
  const auto trained = [](bool by_rows, bool frozen) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    model.parameters.embeddings.word->by_rows = by_rows;
    TrainerOptions options;
    options.learning_rate = 1e-2;
    {
      Trainer trainer(model, options);
      for (int step = 0; step < 4; ++step) trainer.step(small_batch());
      if (frozen) apply_plan(model.parameters, {true, {0, 0, 0}, {0, 0, 0}}, &trainer.optimizer());
      if (frozen) trainer.step(small_batch());
    }
    return model.parameters.embeddings.word->value.clone();
  };
  for (const bool frozen : {false, true}) {
    const double difference = (trained(true, frozen) - trained(false, frozen)).abs().max().item<double>();
    expect(difference < 1e-7, "frozen ", frozen, ": rows differ by ", difference);
  }
}

TEST("accumulated batches give the update of the batch that holds them all") {
  PackedBatch whole = small_batch();
  PackedBatch first{{whole.input_ids.begin(), whole.input_ids.begin() + 8},
                    {whole.labels.begin(), whole.labels.begin() + 8}, {0, 7, 8}};
  PackedBatch second{{whole.input_ids.begin() + 8, whole.input_ids.end()},
                     {whole.labels.begin() + 8, whole.labels.end()}, {0, 12}};
  std::vector<at::Tensor> gradients[2];
  double norms[2];
  for (const int parts : {1, 2}) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    TrainerOptions options;
    options.learning_rate = 1e-3;
    options.schedule = Schedule::constant;
    options.gradient_accumulation = parts;
    Trainer trainer(model, options);
    if (parts == 1) {
      norms[0] = trainer.step(whole).grad_norm;
    } else {
      expect(!trainer.step(first).updated, "updated after half of the batch");
      norms[1] = trainer.step(second).grad_norm;
    }
    for (const Parameter& parameter : model.parameters.stored()) {
      // After one update a tenth of the scaled gradient: the weights move by its sign, which rounding may decide.
      gradients[parts - 1].push_back(trainer.optimizer().state_of(parameter)->exp_avg.clone());
    }
  }
  expect(std::abs(norms[0] - norms[1]) < 1e-5, "norms ", norms[0], " and ", norms[1]);
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    const double difference = (gradients[0][i] - gradients[1][i]).abs().max().item<double>();
    expect(difference < 1e-7, "gradient ", i, " differs by ", difference);
  }
}

// A step's batch: its words and labels change with its number.
PackedBatch batch_of(int32_t number) {
  PackedBatch batch = small_batch();
  for (size_t t = 0; t < batch.input_ids.size(); ++t) {
    batch.input_ids[t] = 1 + (batch.input_ids[t] + number * 7) % 49;
    if (batch.labels[t] != kIgnoredLabel) batch.labels[t] = (batch.labels[t] + number) % 5;
  }
  return batch;
}

// What a state holds: weights, moments and position.
void hand_over(Model& from, Trainer& trainer, Model& to, Trainer& other) {
  trainer.settle();
  auto target = to.parameters.stored().begin();
  for (const Parameter& parameter : from.parameters.stored()) {
    target->value.copy_(parameter.value);
    if (const Optimizer::State* state = trainer.optimizer().state_of(parameter)) {
      Optimizer::State& begun = other.optimizer().begin_state(*target);
      begun.exp_avg.copy_(state->exp_avg);
      begun.exp_avg_sq.copy_(state->exp_avg_sq);
      begun.step = state->step;
    }
    ++target;
  }
  to.weights_changed();
  other.seek(trainer.position());
}

TEST("a trainer that is given another's state goes on in its bits, at once and launched ahead, also amid an update") {
  for (const bool ahead : {false, true}) {
    for (const int32_t taken_after : {6, 7, 8}) {
      TrainerOptions options;
      options.learning_rate = 1e-2;
      options.warmup_steps = 2;
      options.total_steps = 9;
      options.gradient_accumulation = 3;
      options.launch_ahead_on_cpu = ahead;
      Model model(small_config(0.2), at::kCPU, Kernels::fused), resumed(small_config(0.2), at::kCPU, Kernels::fused);
      initialise(model.parameters, model.config, 3, {});
      initialise(resumed.parameters, resumed.config, 4, {});
      Trainer trainer(model, options), other(resumed, options);
      // What waits for its update in the trainer that goes on must not count.
      other.step(batch_of(90));
      for (int32_t i = 0; i < taken_after; ++i) trainer.step(batch_of(i));
      const TrainerPosition position = trainer.position();
      expect(position.updates == 2 && position.passes == 6, "after ", taken_after, " batches: ", position.updates,
             " updates, ", position.passes, " passes");
      hand_over(model, trainer, resumed, other);
      for (int32_t i = taken_after; i < 18; ++i) trainer.step(batch_of(i));
      for (int32_t i = 6; i < 18; ++i) other.step(batch_of(i));
      trainer.settle();
      other.settle();
      auto mine = resumed.parameters.stored().begin();
      for (const Parameter& parameter : model.parameters.stored()) {
        expect(at::equal(parameter.value, (mine++)->value), "ahead ", ahead, ", after ", taken_after,
               " batches: a weight of layer ", parameter.layer, " has other bits");
      }
    }
  }
}

TEST("a step that fails amid an update drops what was accumulated") {
  TrainerOptions options;
  options.gradient_accumulation = 2;
  Model model(small_config(0.1), at::kCPU, Kernels::fused);
  initialise(model.parameters, model.config, 3, {});
  Trainer trainer(model, options);
  trainer.step(batch_of(0));
  at::Tensor& weight = model.parameters.layers[1].up.weight->value;
  const at::Tensor kept = weight.clone();
  weight.fill_(std::nan(""));
  expect(testing::thrown_code([&] { trainer.step(batch_of(1)); }) == ErrorCode::NON_FINITE, "the step must fail");
  weight.copy_(kept);
  expect(!trainer.step(batch_of(2)).updated && trainer.step(batch_of(3)).updated, "two good batches make an update");
}

TEST("a model that is dropped leaves what rows of the embeddings wait for undone") {
  EngineState state;
  state.model = std::make_unique<Model>(small_config(0), at::kCPU, Kernels::fused);
  initialise(state.model->parameters, state.model->config, 3, {});
  TrainerOptions options;
  options.learning_rate = 1e-2;
  options.schedule = Schedule::constant;
  state.trainer = std::make_unique<Trainer>(*state.model, options);
  // The first batch's words have moments, which the others leave pending.
  for (int32_t i = 0; i < 3; ++i) state.trainer->step(batch_of(i));
  const at::Tensor table = state.model->parameters.embeddings.word->value;
  const at::Tensor before = table.clone();
  drop_model(state);
  expect(state.model == nullptr && state.trainer == nullptr && at::equal(table, before), "rows were updated for nobody");
}

}  // namespace
}  // namespace permafrost
