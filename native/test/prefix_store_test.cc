// A kept prefix gives what a recomputed one gives, and nothing stale is ever read.
#include "freezing/prefix_store.h"

#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_code;

constexpr int64_t kExamples = 12;

EncoderConfig config_of() {
  EncoderConfig config = testing::small_bert(0.1);
  config.embedding_size = config.hidden_size = 64;
  config.num_layers = 4;
  config.intermediate_size = 128;
  return config;
}

int64_t length_of(int64_t example) { return 1 + (example * 7) % 30; }

std::vector<int64_t> offsets_of() {
  std::vector<int64_t> offsets = {0};
  for (int64_t i = 0; i < kExamples; ++i) offsets.push_back(offsets.back() + length_of(i));
  return offsets;
}

PackedBatch batch_of(const std::vector<int32_t>& examples) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  batch.examples = examples;
  for (const int32_t example : examples) {
    for (int32_t t = 0; t < length_of(example); ++t) {
      batch.input_ids.push_back((example * 31 + t * 7) % 60);
      batch.labels.push_back((example + t) % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

// Every example once an epoch, in batches that differ from epoch to epoch.
std::vector<PackedBatch> epoch_of(int epoch) {
  std::vector<PackedBatch> batches;
  for (int32_t start = 0; start < kExamples; start += 4) {
    std::vector<int32_t> examples;
    for (int32_t i = 0; i < 4; ++i) examples.push_back((start * (2 * epoch + 1) + i * 5 + epoch) % kExamples);
    batches.push_back(batch_of(examples));
  }
  return batches;
}

PrefixStoreOptions options_of(size_t memory, size_t file, StorePrecision precision = StorePrecision::fp32) {
  PrefixStoreOptions options;
  options.precision = precision;
  options.memory_budget = memory;
  options.file_budget = file;
  options.hidden_size = 64;
  options.depths = {1, 2};
  return options;
}

struct Training {
  explicit Training(uint64_t seed = 3) : model(config_of(), at::kCPU, Kernels::fused) {
    initialise(model.parameters, model.config, seed, {});
    apply_plan(model.parameters, {true, {1, 1, 0, 0}, {0, 0, 0, 0}}, nullptr);
  }

  std::vector<double> losses(PrefixStore* store) {
    TrainerOptions options;
    options.learning_rate = 1e-3;
    options.schedule = Schedule::constant;
    options.frozen_dropout = false;
    Trainer trainer(model, options);
    std::vector<double> result;
    for (int epoch = 0; epoch < 3; ++epoch) {
      for (const PackedBatch& batch : epoch_of(epoch)) result.push_back(trainer.step(batch, {false, store}).loss);
    }
    return result;
  }

  Model model;
};

TEST("training with the prefix kept gives the bits of training without") {
  const c10::InferenceMode inference;
  const std::vector<double> expected = Training().losses(nullptr);
  const size_t all = static_cast<size_t>(offsets_of().back()) * 64 * sizeof(float);
  struct Budget {
    size_t device, memory, file;
  };
  // On the device; in memory; in the file; half in each; a third in each; a part nowhere.
  for (const auto& [device, memory, file] : std::vector<Budget>{{2 * all, 0, 0},
                                                                {0, 2 * all, 0},
                                                                {0, 0, 2 * all},
                                                                {0, all, all},
                                                                {all / 3, all / 3, 2 * all},
                                                                {all / 3, 0, 0},
                                                                {0, all / 3, 0}}) {
    PrefixStoreOptions options = options_of(memory, file);
    options.device_budget = device;
    PrefixStore store(offsets_of(), options);
    expect(Training().losses(&store) == expected, "losses differ at ", device, ", ", memory, " and ", file, " bytes");
    expect(store.usage().hits > 0 && store.usage().device_bytes <= device && store.usage().memory_bytes <= memory &&
               store.usage().file_bytes <= file && (device == 0) == (store.usage().device_bytes == 0),
           "the store was not used within its budget");
  }
}

TEST("a store filled by one model serves another with the same frozen weights, and none with others") {
  const c10::InferenceMode inference;
  const size_t plenty = 1 << 20;
  PrefixStore store(offsets_of(), options_of(plenty, 0));
  const std::vector<double> expected = Training().losses(&store);
  const auto before = store.usage();
  expect(Training().losses(&store) == expected, "losses of the same weights differ");
  expect(store.usage().misses == before.misses, "rows were computed again");
  const std::vector<double> others = Training(4).losses(nullptr);
  expect(Training(4).losses(&store) == others, "rows of other weights were read");
  expect(Training().losses(&store) == expected, "rows of the model between were read");
}

TEST("a deeper prefix leaves the rows of lesser depths behind") {
  const c10::InferenceMode inference;
  PrefixStore store(offsets_of(), options_of(1 << 20, 0));
  Training deep;
  deep.losses(&store);
  const int64_t misses = store.usage().misses;
  Training shallow;
  apply_plan(shallow.model.parameters, {true, {1, 0, 0, 0}, {0, 0, 0, 0}}, nullptr);
  shallow.losses(&store);
  expect(store.usage().misses == misses, "the lesser depth was computed again");
}

TEST("prediction reads the store and gives the same labels") {
  const c10::InferenceMode inference;
  PrefixStore store(offsets_of(), options_of(1 << 20, 0));
  Training training;
  const std::vector<PackedBatch> batches = epoch_of(1);
  const auto expected = training.model.predict(batches, nullptr, [] {}).classes;
  for (int i = 0; i < 2; ++i) {
    expect(training.model.predict(batches, &store, [] {}).classes == expected, "labels differ in round ", i);
  }
  expect(store.usage().hits > 0, "the store was not read");
}

TEST("half-precision rows are the same whether computed or read") {
  const c10::InferenceMode inference;
  for (const StorePrecision precision : {StorePrecision::bf16, StorePrecision::fp16}) {
    PrefixStore kept(offsets_of(), options_of(1 << 20, 0, precision));
    PrefixStore full(offsets_of(), options_of(0, 0, precision));
    expect(Training().losses(&kept) == Training().losses(&full), "losses differ between hit and miss");
  }
}

TEST("a batch of another dataset is refused or computed, never served with foreign rows") {
  const c10::InferenceMode inference;
  PrefixStore store(offsets_of(), options_of(1 << 20, 0));
  Training training;
  training.losses(&store);
  PackedBatch other = batch_of({3, 4});
  other.input_ids[0] = (other.input_ids[0] + 1) % 60;
  const auto expected = training.model.predict({other}, nullptr, [] {}).classes;
  expect(training.model.predict({other}, &store, [] {}).classes == expected, "rows of other ids were read");
  PackedBatch wrong_length = batch_of({3, 4});
  wrong_length.examples = {4, 3};
  expect(thrown_code([&] { training.model.predict({wrong_length}, &store, [] {}); }) == ErrorCode::INVALID_BATCH,
         "another length was taken");
  wrong_length.examples = {3};
  expect(thrown_code([&] { training.model.predict({wrong_length}, &store, [] {}); }) == ErrorCode::INVALID_BATCH,
         "too few examples were taken");
}

}  // namespace
}  // namespace permafrost
