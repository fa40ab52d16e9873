// Whole steps that are recorded, by a recorder that keeps what it would record and does it again when it is launched:
// all that varies from step to step must come by way of the step's inputs.
#include "test/twins.h"

namespace permafrost {
namespace {

using testing::batch_of;
using testing::expect;
using testing::options_of;
using testing::small_bert;
using testing::Twins;

struct Kept : RecordedStep {
  Kept(std::function<void()> body, std::vector<std::string>& failures) : body(std::move(body)), failures(failures) {}
  void launch() override {
    if (!failures.empty()) {
      const std::string failure = failures.back();
      failures.pop_back();
      TORCH_CHECK(false, failure);
    }
    body();
  }
  size_t bytes() const override { return 1; }
  std::function<void()> body;
  std::vector<std::string>& failures;
};

struct Recorder : GraphRecorder {
  std::unique_ptr<RecordedStep> record(const std::function<void()>& body) override {
    ++tried;
    if (refused > 0) {
      --refused;
      throw RecordingFailed("refused");
    }
    return std::make_unique<Kept>(body, failures);
  }
  void reset() override { ++resets; }
  int tried = 0, refused = 0, resets = 0;
  std::vector<std::string> failures;  // of launches
};

struct Recorded {
  explicit Recorded(TrainerOptions options = options_of(false), const EncoderConfig& config = small_bert(0))
      : twins(Kernels::plain, config, with(options, recorder)) {}

  static TrainerOptions with(TrainerOptions options, const std::shared_ptr<Recorder>& recorder) {
    options.recorder = recorder;
    return options;
  }
  size_t graphs() const { return twins.ahead_trainer->device_step()->graphs(); }

  std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>();
  Twins twins;
};

std::vector<at::Tensor> weights_of(const Model& model) {
  std::vector<at::Tensor> copies;
  for (const Parameter& parameter : model.parameters.stored()) copies.push_back(parameter.value.clone());
  return copies;
}

const std::vector<int32_t> kLengths{9, 4, 17};
const BatchShape kShape{30, 3, 17};

TEST("recorded steps train as steps at once do, over changes of the plan") {
  Recorded recorded;
  int32_t seed = 0;
  for (const FreezePlan& plan :
       {FreezePlan{false, {0, 0, 0}, {0, 0, 0}}, {true, {1, 0, 0}, {0, 0, 0}}, {true, {1, 1, 1}, {0, 0, 0}}}) {
    recorded.twins.freeze(plan);
    for (int step = 0; step < 5; ++step) recorded.twins.step(batch_of(kLengths, ++seed), 2e-5);
    expect(recorded.graphs() == 1, "one bucket, ", recorded.graphs(), " graphs");
  }
  expect(recorded.recorder->tried == 3 && recorded.recorder->resets == 2, "each plan is recorded by itself");
  expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
}

TEST("recorded steps accumulate as steps at once do, also where the last batches of an epoch are fewer") {
  TrainerOptions options = options_of(false);
  options.gradient_accumulation = 3;
  Recorded recorded(options);
  for (int32_t seed = 0; seed < 14; ++seed) recorded.twins.step(batch_of(kLengths, seed), 2e-5, seed == 7 || seed == 13);
  // The beginning, the middle, the end.
  expect(recorded.graphs() == 3, recorded.graphs(), " graphs");
  expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
}

TEST("buckets that are expected are recorded before the first step, which changes nothing that training depends on") {
  for (const int64_t accumulation : {1, 2, 3}) {
    std::vector<at::Tensor> weights[2];
    std::vector<double> losses[2];
    for (const bool expects : {false, true}) {
      TrainerOptions options = options_of(true);
      options.gradient_accumulation = accumulation;
      const auto recorder = std::make_shared<Recorder>();
      options.recorder = recorder;
      Model model(small_bert(0), at::kCPU, Kernels::plain);
      initialise(model.parameters, model.config, 5, {});
      Trainer trainer(model, options);
      const std::vector<at::Tensor> before = weights_of(model);
      // 100 tokens come once.
      if (expects) trainer.expect({kShape, {60, 4, 17}, kShape, {60, 4, 17}, {100, 9, 17}});
      for (int32_t step = 0; step < 8; ++step) {
        losses[expects].push_back(trainer.step(batch_of(kLengths, step)).loss);
        if (step > 0) continue;
        expect(recorder->tried == (expects ? 2 * std::min<int64_t>(accumulation, 3) : 0), recorder->tried, " recorded");
        const std::vector<at::Tensor> after = weights_of(model);
        for (size_t i = 0; i < after.size(); ++i) {
          expect(accumulation == 1 || after[i].equal(before[i]), "weight ", i, " moved before there was an update");
        }
      }
      expect(trainer.optimizer().state_of(*model.parameters.layers[0].up.weight)->step == 8 / accumulation,
             "moments count the updates alone");
      weights[expects] = weights_of(model);
    }
    expect(losses[0] == losses[1], "recording ahead changed a loss");
    for (size_t i = 0; i < weights[0].size(); ++i) expect(weights[0][i].equal(weights[1][i]), "it changed weight ", i);
  }
}

TEST("what is expected is recorded again when the plan has changed, and not while batches wait for their update") {
  TrainerOptions options = options_of(false);
  options.gradient_accumulation = 2;
  Recorded recorded(options);
  recorded.twins.step(batch_of(kLengths, 1), 2e-5);
  recorded.twins.ahead_trainer->expect({kShape, kShape});
  recorded.twins.step(batch_of(kLengths, 2), 2e-5);
  expect(recorded.recorder->tried == 0, "the second batch adds to the first");
  recorded.twins.step(batch_of(kLengths, 3), 2e-5);
  expect(recorded.graphs() == 2, "both kinds are recorded before the next update begins");
  recorded.twins.step(batch_of(kLengths, 4), 2e-5);
  recorded.twins.freeze({true, {1, 0, 0}, {0, 0, 0}});
  for (int32_t seed = 5; seed < 9; ++seed) recorded.twins.step(batch_of(kLengths, seed), 2e-5);
  expect(recorded.graphs() == 2 && recorded.recorder->tried == 4, "and again for the new plan");
  expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
}

TEST("recorded steps take weighted sequences, and losses of other kinds, as steps at once do") {
  TrainerOptions options = options_of(false);
  options.loss.label_smoothing = 0.1;
  Recorded recorded(options);
  recorded.twins.ahead_trainer->expect({{30, 3, 17, 0, true}, {30, 3, 17, 0, true}});
  for (int32_t seed = 0; seed < 4; ++seed) {
    PackedBatch batch = batch_of(kLengths, seed);
    batch.weights = {1, 0.5f + static_cast<float>(seed), 2};
    recorded.twins.step(batch, 2e-5);
  }
  expect(recorded.graphs() == 1 && recorded.recorder->tried == 1, "recorded ahead");
  expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
}

TEST("recorded steps take the frozen prefix from a store on the device, from memory, and where it is not there yet") {
  for (const bool on_device : {true, false}) {
    for (const StorePrecision precision : {StorePrecision::fp32, StorePrecision::bf16}) {
      TrainerOptions options = options_of(false);
      options.frozen_dropout = false;
      Recorded recorded(options);
      recorded.twins.freeze({true, {1, 1, 0}, {0, 0, 0}});
      PrefixStoreOptions store_options;
      (on_device ? store_options.device_budget : store_options.memory_budget) = 1 << 20;
      store_options.hidden_size = 32;
      store_options.depths = {2};
      store_options.precision = precision;
      const std::vector<int64_t> offsets{0, 9, 13, 30, 39, 43, 60};
      PrefixStore one(offsets, store_options), other(offsets, store_options);
      for (int32_t step = 0; step < 8; ++step) {
        PackedBatch batch = batch_of(kLengths, step % 2);
        if (step % 2 == 1) batch.examples = {3, 4, 5};
        const double a = recorded.twins.at_once_trainer->step(batch, {false, &one}).loss;
        const double b = recorded.twins.ahead_trainer->step(batch, {false, &other}).loss;
        expect(std::fabs(a - b) < 2e-5 * a, "loss ", a, " against ", b);
      }
      expect(recorded.graphs() == 1, recorded.graphs(), " graphs");
      expect(other.usage().hits == 18 && other.usage().misses == 6, other.usage().hits, " hits");
      expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
    }
  }
}

TEST("a masked language model's steps are launched ahead and recorded, whatever number of tokens is hidden") {
  EncoderConfig config = small_bert(0);
  config.head = "masked-lm";
  config.num_labels = config.vocab_size;
  for (const bool freezes : {false, true}) {
    Recorded recorded(options_of(false), config);
    if (freezes) recorded.twins.freeze({true, {1, 1, 0}, {0, 0, 0}});
    for (int32_t seed = 0; seed < 6; ++seed) {
      PackedBatch batch = batch_of(kLengths, seed);
      for (size_t t = 0; t < batch.labels.size(); ++t) {
        batch.labels[t] = t % static_cast<size_t>(5 + seed) == 2 ? batch.input_ids[t] : kIgnoredLabel;
      }
      recorded.twins.step(batch, 2e-5);
    }
    expect(recorded.graphs() == 1, recorded.graphs(), " graphs");
    expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
  }
}

TEST("a recording that is refused leaves training as it was, says why, and is made later") {
  Recorded recorded;
  recorded.recorder->refused = 2;
  recorded.twins.ahead_trainer->expect({kShape, kShape});
  for (int32_t seed = 0; seed < 6; ++seed) {
    recorded.twins.step(batch_of(kLengths, seed), 2e-5);
    const DeviceStep& step = *recorded.twins.ahead_trainer->device_step();
    expect((step.why_no_graphs() == "refused") == (step.graphs() == 0), "step ", seed, ": '", step.why_no_graphs(), "'");
  }
  expect(recorded.graphs() == 1, "it is recorded in the end");
  expect(recorded.twins.largest_difference() < 2e-5, "weights differ by ", recorded.twins.largest_difference());
}

TEST("where memory is lacking, by whatever words, recorded steps are given up and recorded again later") {
  for (const char* words : {"CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
                            "CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY", "an illegal memory access was encountered"}) {
    Recorded recorded;
    Trainer& trainer = *recorded.twins.ahead_trainer;
    for (int32_t seed = 0; seed < 3; ++seed) recorded.twins.step(batch_of(kLengths, seed), 2e-5);
    recorded.recorder->failures = {words};
    bool failed = false;
    try {
      trainer.step(batch_of(kLengths, 3));
    } catch (const std::exception&) {
      failed = true;
    }
    const bool is_memory = std::string(words).find("illegal") == std::string::npos;
    expect(failed && recorded.graphs() == (is_memory ? 0 : 1), words, ": ", recorded.graphs(), " graphs are left");
    if (!is_memory) continue;
    for (int32_t seed = 4; seed < 8; ++seed) recorded.twins.step(batch_of(kLengths, seed), 1);
    expect(recorded.graphs() == 1, "they come back");
  }
}

}  // namespace
}  // namespace permafrost
