// One prefix store that several engines read and write at the same time.
#include <thread>

#include "freezing/prefix_store.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;

constexpr int64_t kExamples = 24, kHidden = 8;
constexpr int kThreads = 4;

int64_t length_of(int64_t example) { return 1 + example % 5; }

// The row that every token of an example has at a depth, by which another one's is told apart.
float value_of(int64_t example, int64_t depth) { return static_cast<float>(100 * depth + example); }

PackedBatch batch_of(const std::vector<int32_t>& examples) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  batch.examples = examples;
  for (const int32_t example : examples) {
    for (int32_t t = 0; t < length_of(example); ++t) batch.input_ids.push_back(example * 10 + t);
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

at::Tensor rows_of(const PackedBatch& batch, int64_t depth) {
  at::Tensor rows_TH = at::empty({batch.num_tokens(), kHidden}, at::kFloat);
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    rows_TH.slice(0, batch.cu_seqlens[s], batch.cu_seqlens[s + 1]).fill_(value_of(batch.examples[s], depth));
  }
  return rows_TH;
}

TEST("a prefix store gives each of several threads the rows that belong to its examples") {
  std::vector<int64_t> offsets = {0};
  for (int64_t i = 0; i < kExamples; ++i) offsets.push_back(offsets.back() + length_of(i));
  PrefixStoreOptions options;
  options.hidden_size = kHidden;
  // Room for some examples in memory, for some in the file, and for some not at all.
  options.memory_budget = 1500;
  options.file_budget = 1500;
  options.directory = "/tmp";
  options.depths = {1, 2};
  PrefixStore store(offsets, options);
  const WeightDigest digest{1, 2}, other{3, 4};

  std::vector<std::string> faults(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const c10::InferenceMode inference;
      for (int round = 0; round < 60; ++round) {
        const int64_t depth = 1 + (thread + round) % 2;
        const PackedBatch batch = batch_of({(thread * 5 + round) % static_cast<int32_t>(kExamples),
                                            (thread * 7 + round * 3 + 1) % static_cast<int32_t>(kExamples)});
        const at::Tensor expected_TH = rows_of(batch, depth);
        at::Tensor hidden_TH = at::zeros_like(expected_TH);
        // Other weights, now and then: what was kept must go.
        const WeightDigest& weights = round % 20 == 19 ? other : digest;
        const std::vector<int64_t> missing = store.read(depth, weights, batch, hidden_TH);
        const auto misses = static_cast<int64_t>(missing.size());
        store.count(batch.num_sequences() - misses, misses);
        for (const int64_t s : missing) {
          hidden_TH.slice(0, batch.cu_seqlens[s], batch.cu_seqlens[s + 1]).fill_(value_of(batch.examples[s], depth));
        }
        if (!missing.empty()) store.write(depth, weights, batch, hidden_TH);
        if (!hidden_TH.equal(expected_TH)) faults[thread] = "rows of another example";
        if (round % 10 == 0) store.begin_run();
        const PrefixStore::Usage usage = store.usage();
        if (usage.memory_bytes > options.memory_budget || usage.file_bytes > options.file_budget) {
          faults[thread] = "a budget was exceeded";
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& fault : faults) expect(fault.empty(), fault);
  const PrefixStore::Usage usage = store.usage();
  expect(usage.hits + usage.misses == 2 * 60 * kThreads, usage.hits, " hits and ", usage.misses, " misses");
  expect(usage.hits > 0, "nothing was ever kept");
}

}  // namespace
}  // namespace permafrost
