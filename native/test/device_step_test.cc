// Steps that are launched ahead of a device, on the CPU: buckets, filler tokens, updates without a value read back,
// the bounds of recording. What they compute must be what a step at once computes.
#include "device/step_graph.h"
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "ops/cuda/cuda_ops.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/buckets.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_code;

EncoderConfig config_of(double dropout) { return testing::small_bert(dropout); }

// Sequences of the given lengths; ids and labels vary with the seed.
PackedBatch batch_of(const std::vector<int32_t>& lengths, int32_t seed) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (size_t s = 0; s < lengths.size(); ++s) {
    batch.examples.push_back(static_cast<int32_t>(s));
    for (int32_t t = 0; t < lengths[s]; ++t) {
      const auto number = static_cast<int32_t>(batch.input_ids.size()) * 7 + seed * 13;
      batch.input_ids.push_back(1 + number % 59);
      batch.labels.push_back(number % 3 == 0 ? kIgnoredLabel : number % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

TrainerOptions options_of(bool ahead) {
  TrainerOptions options;
  options.learning_rate = 1e-3;
  options.schedule = Schedule::linear;
  options.warmup_steps = 2;
  options.total_steps = 40;
  options.max_grad_norm = 0.5;
  options.adamw.eps = 1e-6;
  options.launch_ahead_on_cpu = ahead;
  return options;
}

// The same model twice: one trained at once, one by launched steps.
struct Twins {
  Twins(Kernels kernels, double dropout, const TrainerOptions& options, at::ScalarType type = at::kFloat)
      : at_once(config_of(dropout), at::kCPU, kernels, type), ahead(config_of(dropout), at::kCPU, kernels, type) {
    initialise(at_once.parameters, at_once.config, 5, {});
    initialise(ahead.parameters, ahead.config, 5, {});
    TrainerOptions other = options;
    other.launch_ahead_on_cpu = true;
    at_once_trainer = std::make_unique<Trainer>(at_once, options);
    ahead_trainer = std::make_unique<Trainer>(ahead, other);
  }

  void freeze(const FreezePlan& plan) {
    apply_plan(at_once.parameters, plan, &at_once_trainer->optimizer());
    apply_plan(ahead.parameters, plan, &ahead_trainer->optimizer());
    at_once.weights_changed();
    ahead.weights_changed();
  }

  void step(const PackedBatch& batch, double tolerance, bool update_now = false) {
    const StepResult a = at_once_trainer->step(batch, {update_now});
    const StepResult b = ahead_trainer->step(batch, {update_now});
    expect(std::fabs(a.loss - b.loss) <= tolerance * a.loss, "loss ", a.loss, " against ", b.loss);
    expect(a.updated == b.updated && a.tokens == b.tokens && a.learning_rate == b.learning_rate, "facts of the step");
    if (a.updated) {
      expect(std::fabs(a.grad_norm - b.grad_norm) <= 10 * tolerance * a.grad_norm, "norm ", a.grad_norm, " against ",
             b.grad_norm);
    }
  }

  double largest_difference() const {
    double largest = 0;
    const auto& others = ahead.parameters.named();
    for (size_t i = 0; i < others.size(); ++i) {
      const NamedParameter& named = at_once.parameters.named()[i];
      const at::Tensor difference = named.view(named.parameter->value) - others[i].view(others[i].parameter->value);
      largest = std::max(largest, difference.abs().max().item<double>());
    }
    return largest;
  }

  Model at_once, ahead;
  std::unique_ptr<Trainer> at_once_trainer, ahead_trainer;
};

void trains_alike(Kernels kernels) {
  Twins twins(kernels, 0.2, options_of(false));
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
  Twins twins(Kernels::plain, 0.2, options_of(false), at::kBFloat16);
  for (int32_t seed = 0; seed < 4; ++seed) twins.step(batch_of({9, 20, 4}, seed), 5e-3);
}

TEST("launched steps accumulate gradients as steps at once do") {
  TrainerOptions options = options_of(false);
  options.gradient_accumulation = 3;
  Twins twins(Kernels::plain, 0.1, options);
  for (int32_t seed = 0; seed < 7; ++seed) twins.step(batch_of({5 + seed, 9}, seed), 2e-5, seed == 6);
  expect(twins.largest_difference() < 2e-5, "weights differ by ", twins.largest_difference());
}

TEST("launched steps have the rates by layer, the stages and the sums of gradients of steps at once") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TrainerOptions options = options_of(false);
    options.layer_decay = 0.7;
    options.head_learning_rate = 5e-3;
    options.sums_gradients = true;
    Twins twins(Kernels::plain, 0.1, options, type);
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
  Twins twins(Kernels::plain, 0, options, type);
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
      Model model(config_of(0.1), at::kCPU, ahead ? Kernels::plain : Kernels::fused);
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
      Model model(config_of(0), at::kCPU, Kernels::fused);
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
  Twins twins(Kernels::plain, 0.2, options);
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
  Twins twins(Kernels::plain, 0, options_of(false));
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

TEST("buckets hold their batches, and filler tokens are sequences of their own without labels") {
  for (int32_t tokens = 1; tokens < 1500; tokens += 37) {
    std::vector<int32_t> lengths;
    for (int32_t left = tokens; left > 0; left -= 40) lengths.push_back(std::min(left, 40));
    const PackedBatch batch = batch_of(lengths, tokens);
    const Bucket bucket = bucket_of(batch, 512);
    expect(bucket.tokens >= tokens && bucket.tokens <= std::max(tokens + 32, tokens + tokens / 8 + 1), "tokens ", tokens,
           " in a bucket of ", bucket.tokens);
    const PackedBatch filled = fill(batch, bucket, 0);
    validate(filled, [] {
      EncoderConfig config = config_of(0);
      config.max_positions = 512;
      return config;
    }());
    expect(filled.num_tokens() == bucket.tokens, "the bucket must be full");
    expect(bucket.longest <= bucket.tokens, "attention on a card wants no bound above the tokens");
    expect(longest_sequence(filled) <= bucket.longest, "no filler may be longer than the bucket's longest");
    expect(labelled_tokens(filled) == labelled_tokens(batch), "filler must not count");
    expect(filled.num_sequences() <= bucket.sequences, "borders must fit");
    const std::vector<int32_t> borders = repeat_last_border(filled.cu_seqlens, bucket.sequences);
    expect(static_cast<int64_t>(borders.size()) == bucket.sequences + 1 && borders.back() == bucket.tokens, "borders");
    for (int64_t s = 0; s < batch.num_sequences(); ++s) {
      expect(filled.cu_seqlens[s + 1] == batch.cu_seqlens[s + 1], "real sequences stay as they are");
    }
  }
}

struct FakeStep : RecordedStep {
  FakeStep(std::vector<std::string>& log, std::string name) : log(log), name(std::move(name)) {}
  void launch() override { log.push_back("launch " + name); }
  size_t bytes() const override { return 10; }
  std::vector<std::string>& log;
  std::string name;
};

struct FakeGraphs {
  explicit FakeGraphs(const GraphBounds& bounds)
      : graphs(
            bounds,
            [this](const StepGraphs::Body& body) {
              recording = true;
              body();
              recording = false;
              return std::make_unique<FakeStep>(log, current);
            },
            [this] { log.push_back("reset"); }) {}

  std::string run(int64_t tokens) {
    log.clear();
    current = std::to_string(tokens);
    graphs.run({tokens, 8, 64}, [this] { log.push_back(recording ? "record " + current : "run " + current); });
    std::string all;
    for (const std::string& entry : log) all += (all.empty() ? "" : ", ") + entry;
    return all;
  }

  std::vector<std::string> log;
  std::string current;
  bool recording = false;
  StepGraphs graphs;
};

void expect_run(FakeGraphs& graphs, int64_t tokens, const std::string& expected) {
  const std::string got = graphs.run(tokens);
  expect(got == expected, "expected '", expected, "', got '", got, "'");
}

TEST("a bucket is run, then recorded, then launched, and again after the plan changed") {
  FakeGraphs graphs({4, 1000});
  for (int round = 0; round < 2; ++round) {
    expect_run(graphs, 64, "run 64");
    expect_run(graphs, 64, "record 64, launch 64");
    expect_run(graphs, 64, "launch 64");
    graphs.graphs.drop();
  }
}

TEST("the largest bucket is recorded first: a larger one drops the others, which are recorded behind it") {
  FakeGraphs graphs({4, 1000});
  graphs.run(64), graphs.run(64), graphs.run(128);
  expect_run(graphs, 128, "reset, record 128, launch 128");
  expect_run(graphs, 64, "record 64, launch 64");
  expect_run(graphs, 128, "launch 128");
}

TEST("recording stops at its bounds of number and memory") {
  FakeGraphs few({2, 1000}), small({10, 20});
  for (FakeGraphs* graphs : {&few, &small}) {
    for (const int64_t tokens : {96, 64, 32}) graphs->run(tokens), graphs->run(tokens);
    expect(graphs->graphs.size() == 2, "two fit");
    expect_run(*graphs, 32, "run 32");
    expect_run(*graphs, 64, "launch 64");
  }
}

TEST("the operations for cards compute the gradients of the plain ones") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    Model plain(config_of(0), at::kCPU, Kernels::plain, type), cuda(config_of(0), at::kCPU, Kernels::plain, type);
    cuda.ops = std::make_unique<CudaOps>(at::kCPU, type, 16);
    initialise(plain.parameters, plain.config, 5, {});
    initialise(cuda.parameters, cuda.config, 5, {});
    Trainer(plain, options_of(false)).gradient_norms(batch_of({9, 20, 4}, 3));
    Trainer(cuda, options_of(false)).gradient_norms(batch_of({9, 20, 4}, 3));
    const double tolerance = type == at::kFloat ? 1e-5 : 0.05;
    for (size_t i = 0; i < plain.parameters.named().size(); ++i) {
      const NamedParameter& a = plain.parameters.named()[i];
      const NamedParameter& b = cuda.parameters.named()[i];
      const at::Tensor one = a.view(a.parameter->grad), other = b.view(b.parameter->grad);
      const double norm = one.norm().item<double>();
      if (norm < 1e-5) continue;  // the key's bias: nothing but rounding
      const double distance = (one - other).norm().item<double>();
      expect(distance < tolerance * norm, a.name, ": distance ", distance, " of norm ", norm);
    }
  }
}

TEST("the operations for cards go back through the masks that they drew on the way forth") {
  CudaOps ops(at::kCPU, at::kFloat, 16);
  const Dropout dropout{0.25, 1, 0, 9};
  at::Tensor y = at::ones({200, 64}), dy = at::ones({200, 64});
  ops.dropout(y, dropout);
  ops.dropout(dy, dropout);
  expect(y.equal(dy), "both ways must keep the same elements");
  const double kept = y.ne(0).to(at::kFloat).mean().item<double>();
  expect(std::fabs(kept - 0.75) < 0.02, "kept ", kept);
  expect(std::fabs(y.max().item<double>() - 4.0 / 3) < 1e-6, "what is kept is scaled");
  at::Tensor again = at::ones({200, 64});
  ops.dropout(again, dropout);
  expect(!again.equal(y), "the next pass must draw anew");
  ops.begin_pass();

  // Numerically: d/dx of a weighted sum of LayerNorm(residual + dropout(x)).
  at::Tensor x = at::randn({3, 16}), residual = at::randn({3, 16}), weights = at::randn({3, 16});
  const at::Tensor gamma = at::rand({16}) + 0.5, beta = at::randn({16});
  const auto value = [&](const at::Tensor& input, at::Tensor& sum, at::Tensor& mean, at::Tensor& rstd) {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(11);
    sum = input.clone();
    at::Tensor out = at::empty({3, 16});
    ops.layer_norm(sum, {}, residual, dropout, gamma, beta, 1e-5, out, mean, rstd);
    return (out * weights).sum().item<double>();
  };
  at::Tensor sum, mean, rstd;
  value(x, sum, mean, rstd);
  at::Tensor dsum = weights.clone(), dx = at::empty({3, 16});
  ops.layer_norm_backward(weights, sum, mean, rstd, gamma, dropout, dsum, dx, {}, {}, {});
  for (const int64_t i : {0, 17, 40}) {
    at::Tensor up = x.clone(), down = x.clone(), s, m, r;
    up.view({-1})[i] += 1e-2;
    down.view({-1})[i] -= 1e-2;
    const double numeric = (value(up, s, m, r) - value(down, s, m, r)) / 2e-2;
    const double ours = dx.view({-1})[i].item<double>();
    expect(std::fabs(numeric - ours) < 2e-3 * (1 + std::fabs(numeric)), "element ", i, ": ", ours, " against ", numeric);
  }
}

}  // namespace
}  // namespace permafrost
