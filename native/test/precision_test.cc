// bf16 arithmetic over fp32 weights, on the plain operations, against fp32.
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

EncoderConfig config_of(double dropout) {
  EncoderConfig config = testing::small_bert(dropout);
  config.intermediate_size = 64;
  config.max_positions = 32;
  config.initializer_range = 0.1;
  return config;
}

PackedBatch batch_of() {
  PackedBatch batch;
  batch.cu_seqlens = {0, 9, 10, 31};
  for (int32_t t = 0; t < 31; ++t) {
    batch.input_ids.push_back(1 + (t * 13) % 59);
    batch.labels.push_back(t % 4 == 0 ? kIgnoredLabel : t % 5);
  }
  return batch;
}

struct Made {
  explicit Made(at::ScalarType type, double dropout = 0.1) : model(config_of(dropout), at::kCPU, Kernels::plain, type) {
    initialise(model.parameters, model.config, 7, {});
  }
  Model model;
};

TrainerOptions options_of() {
  TrainerOptions options;
  options.learning_rate = 1e-3;
  options.schedule = Schedule::constant;
  options.adamw.eps = 1e-6;
  return options;
}

TEST("bf16 training follows fp32 training within its rounding, with the same dropout masks") {
  Made exact(at::kFloat), rounded(at::kBFloat16);
  Trainer exact_trainer(exact.model, options_of()), rounded_trainer(rounded.model, options_of());
  double first = 0, last = 0;
  for (int step = 0; step < 12; ++step) {
    const StepResult a = exact_trainer.step(batch_of());
    const StepResult b = rounded_trainer.step(batch_of());
    expect(std::fabs(a.loss - b.loss) < 0.02 * a.loss, "step ", step, ": ", a.loss, " against ", b.loss);
    expect(std::fabs(a.grad_norm - b.grad_norm) < 0.05 * a.grad_norm, "norm of step ", step, ": ", a.grad_norm,
           " against ", b.grad_norm);
    expect(a.loss != b.loss, "the bf16 model must not compute in fp32");
    if (step == 0) first = b.loss;
    last = b.loss;
  }
  expect(last < 0.9 * first, "the loss must fall, went from ", first, " to ", last);
}

TEST("bf16 gradients of every parameter lie near those of fp32") {
  Made exact(at::kFloat, 0), rounded(at::kBFloat16, 0);
  Trainer(exact.model, options_of()).gradient_norms(batch_of());
  Trainer(rounded.model, options_of()).gradient_norms(batch_of());
  const auto& others = rounded.model.parameters.named();
  for (size_t i = 0; i < others.size(); ++i) {
    const NamedParameter& named = exact.model.parameters.named()[i];
    const at::Tensor a = named.view(named.parameter->grad), b = others[i].view(others[i].parameter->grad);
    expect(b.scalar_type() == at::kFloat, named.name, ": gradients must be fp32");
    const double distance = (a - b).norm().item<double>(), norm = a.norm().item<double>();
    // The gradient of the key's bias is nothing but rounding: softmax does not see it.
    if (norm < 1e-6) continue;
    // Where the processor has no bf16 products, libtorch's own round after every addition.
    expect(distance < 0.1 * norm, named.name, ": distance ", distance, " of norm ", norm);
  }
}

TEST("bf16 keeps its weights in fp32 and the copies that products read rounded after each update") {
  Made made(at::kBFloat16);
  Trainer trainer(made.model, options_of());
  FreezePlan plan{true, {1, 0, 0}, {0, 0, 0}};
  apply_plan(made.model.parameters, plan, &trainer.optimizer());
  made.model.weights_changed();
  trainer.step(batch_of());
  std::vector<std::pair<at::Tensor, const void*>> frozen;
  for (const Parameter& parameter : made.model.parameters.stored()) {
    if (parameter.in_products && !parameter.requires_grad) {
      frozen.emplace_back(parameter.rounded.clone(), parameter.rounded.data_ptr());
    }
  }
  for (int step = 0; step < 3; ++step) trainer.step(batch_of());
  size_t seen = 0;
  for (const Parameter& parameter : made.model.parameters.stored()) {
    expect(parameter.value.scalar_type() == at::kFloat, "weights must be fp32");
    expect(parameter.rounded.defined() == parameter.in_products, "copies are for products alone");
    if (!parameter.in_products) continue;
    expect(parameter.rounded.scalar_type() == at::kBFloat16, "copies must be bf16");
    expect(parameter.rounded.equal(parameter.value.to(at::kBFloat16)), "a copy must follow its weight");
    if (parameter.requires_grad) continue;
    expect(parameter.rounded.equal(frozen[seen].first) && parameter.rounded.data_ptr() == frozen[seen].second,
           "a frozen weight's copy must be made once");
    ++seen;
  }
  expect(seen == frozen.size() && seen > 0, "a layer must be frozen");
}

TEST("rows of a prefix are told apart by the precision they were computed at") {
  Made exact(at::kFloat), rounded(at::kBFloat16);
  FreezePlan plan{true, {1, 0, 0}, {0, 0, 0}};
  apply_plan(exact.model.parameters, plan, nullptr);
  apply_plan(rounded.model.parameters, plan, nullptr);
  expect(!(exact.model.prefix_digests()[1] == rounded.model.prefix_digests()[1]), "digests must differ");
}

}  // namespace
}  // namespace permafrost
