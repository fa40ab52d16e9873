// bf16 arithmetic over fp32 weights, on the plain operations and by the fused kernels, against fp32.
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

EncoderConfig config_of(double dropout, const std::string& model_type = "bert", const std::string& head = "") {
  EncoderConfig config = testing::small_bert(dropout);
  config.intermediate_size = 64;
  config.max_positions = 40;
  config.initializer_range = 0.1;
  config.model_type = model_type;
  if (model_type == "electra") config.embedding_size = 16;
  if (model_type == "distilbert" || model_type == "deberta-v2") config.type_vocab_size = 0;
  if (model_type == "deberta-v2") config.relative = RelativeAttention{8, 32, true, true, true};
  if (head == "masked-lm") config.num_labels = config.vocab_size;
  if (!head.empty()) config.head = head;
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
  explicit Made(at::ScalarType type, double dropout = 0.1, Kernels kernels = Kernels::fused)
      : Made(type, config_of(dropout), kernels) {}
  Made(at::ScalarType type, const EncoderConfig& config, Kernels kernels = Kernels::fused)
      : model(config, at::kCPU, kernels, type) {
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
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    Made exact(at::kFloat, 0.1, kernels), rounded(at::kBFloat16, 0.1, kernels);
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
}

// The largest distance between the gradients of a parameter, over its norm, and the name of that parameter.
std::pair<double, std::string> largest_distance(Model& exact, Model& rounded) {
  std::pair<double, std::string> largest{0, ""};
  for (size_t i = 0; i < rounded.parameters.named().size(); ++i) {
    const NamedParameter& named = exact.parameters.named()[i];
    const NamedParameter& other = rounded.parameters.named()[i];
    expect(other.parameter->grad.scalar_type() == at::kFloat, named.name, ": gradients must be fp32");
    const at::Tensor a = named.view(named.parameter->grad), b = other.view(other.parameter->grad);
    const double norm = a.norm().item<double>();
    // The gradient of the key's bias is nothing but rounding: softmax does not see it.
    if (norm < 1e-6) continue;
    largest = std::max(largest, {(a - b).norm().item<double>() / norm, named.name});
  }
  return largest;
}

TEST("bf16 gradients of every parameter of every family lie near those of fp32, nearer by the fused kernels") {
  for (const auto& [model_type, head] : std::vector<std::pair<std::string, std::string>>{
           {"bert", ""}, {"bert", "crf"}, {"bert", "masked-lm"}, {"distilbert", ""}, {"roberta", ""}, {"electra", ""},
           {"deberta-v2", ""}}) {
    const EncoderConfig config = config_of(0, model_type, head);
    Made exact(at::kFloat, config), plain(at::kBFloat16, config, Kernels::plain), fused(at::kBFloat16, config);
    for (Made* made : {&exact, &plain, &fused}) Trainer(made->model, options_of()).gradient_norms(batch_of());
    const auto [by_plain, plain_name] = largest_distance(exact.model, plain.model);
    const auto [by_fused, fused_name] = largest_distance(exact.model, fused.model);
    // Where the processor has no bf16 products, libtorch's own round after every addition.
    expect(by_plain < 0.1, model_type, " ", head, ", plain: ", plain_name, " is off by ", by_plain);
    expect(by_fused < 0.03, model_type, " ", head, ", fused: ", fused_name, " is off by ", by_fused);
    expect(by_fused > 1e-5, "the bf16 model must not compute in fp32");
  }
}

TEST("bf16 training has the same bits for any number of threads") {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> words;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    for (const char* model_type : {"bert", "deberta-v2"}) {
      Made made(at::kBFloat16, config_of(0.1, model_type));
      Trainer trainer(made.model, options_of());
      for (int step = 0; step < 3; ++step) trainer.step(batch_of());
      trainer.optimizer().settle();
      words.push_back(made.model.parameters.embeddings.word->value.clone());
    }
  }
  at::set_num_threads(threads);
  expect(words[0].equal(words[2]) && words[1].equal(words[3]), "threads change bits");
}

TEST("a sentence has the same bf16 outputs, to the bit, in every batch") {
  Made made(at::kBFloat16, 0);
  FreezePlan plan{true, {1, 1, 1}, {0, 0, 0}};
  apply_plan(made.model.parameters, plan, nullptr);
  PackedBatch batch = batch_of(), alone;
  batch.labels.clear();
  alone.cu_seqlens = {0, 21};
  alone.input_ids.assign(batch.input_ids.begin() + 10, batch.input_ids.end());
  const at::Tensor together = made.model.hidden_states(batch);
  expect(made.model.hidden_states(alone).equal(together.slice(1, 10, 31)), "the batch changes a sentence's bits");
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
