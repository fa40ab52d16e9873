// Outputs of frozen prefixes, kept by example: computed once, read in every later epoch, in evaluation and
// by other models with the same frozen weights.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "model/batch.h"

namespace permafrost {

enum class StorePrecision { fp32, bf16, fp16 };

struct PrefixStoreOptions {
  StorePrecision precision = StorePrecision::fp32;
  // Bytes on the device of the models that use the store, of memory behind that (page-locked where the device is a
  // card), and of a temporary file mapped into memory behind it; for all depths together.
  size_t device_budget = 0;
  size_t memory_budget = 0;
  size_t file_budget = 0;
  // Where the file is made. It has no name once it is open, so nothing of it outlives the process.
  std::string directory = "/tmp";
  int64_t hidden_size = 0;
  // Numbers of layers of the prefixes whose outputs are kept, until others are named.
  std::vector<int64_t> depths;
};

// Digest of all weights that a prefix is computed with.
struct WeightDigest {
  uint64_t low = 0, high = 0;
  bool operator==(const WeightDigest& other) const { return low == other.low && high == other.high; }
};

// The examples of one dataset. Nothing stale is ever read: rows count only for the digest of the weights
// that made them and for the very token ids they were made of. May be shared by engines; thread-safe.
class PrefixStore {
 public:
  // `offsets`: borders of the examples in tokens, [N + 1].
  PrefixStore(std::vector<int64_t> offsets, const PrefixStoreOptions& options);
  ~PrefixStore();
  PrefixStore(const PrefixStore&) = delete;
  PrefixStore& operator=(const PrefixStore&) = delete;

  // Changes the depths whose rows are kept. Those of others are given up at the next read, but for the deepest one that
  // a wanted depth can be computed from, which stays as long as there is room.
  void keep(std::vector<int64_t> depths);

  // Copies the rows of the batch's sequences that are there into hidden_TH, and returns the numbers of
  // the sequences that are not.
  std::vector<int64_t> read(int64_t depth, const WeightDigest& digest, const PackedBatch& batch, at::Tensor& hidden_TH);
  // Where the rows of all sequences of a batch lie on the device of the models that use the store: the table there, of the
  // store's precision, and the row of each token, [T]. Without rows where one of them lies elsewhere, or nowhere.
  struct DeviceRows {
    at::Tensor table;
    std::vector<int32_t> rows;
  };
  DeviceRows find_on_device(int64_t depth, const WeightDigest& digest, const PackedBatch& batch, at::Device device);
  // Keeps the rows of every sequence of the batch for which there is room.
  void write(int64_t depth, const WeightDigest& digest, const PackedBatch& batch, const at::Tensor& hidden_TH);

  // From here on, the first read of a row that is there already counts as borrowed: another run paid for it.
  void begin_run();

  // Whether rows of this depth are to be kept when a deeper prefix is computed.
  bool wants(int64_t depth) const;
  // The deepest depth below the given one that is to be kept, or whose rows are there for these weights (element d of
  // the digests: of the first d layers); -1 where there is none.
  int64_t below(int64_t depth, const std::vector<WeightDigest>& digests) const;
  // Whether rows of a type come back as they were.
  bool keeps_exactly(at::ScalarType type) const;
  // Notes how many sequences of a batch were there.
  void count(int64_t hits, int64_t misses);
  // Rounds to the precision of the store, so that rows are the same whether computed or read.
  void round(at::Tensor& hidden_TH) const;

  struct Usage {
    int64_t examples = 0;  // rows kept, summed over depths
    size_t device_bytes = 0;
    size_t memory_bytes = 0;
    size_t file_bytes = 0;
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t borrowed = 0;  // rows read that an earlier run had computed, each counted once a run
  };
  Usage usage() const;

 private:
  struct Depth;
  size_t row_bytes() const;
  bool is_wanted(int64_t depth) const;
  // Gives up rows; those that were launched to be read may still be under way on the device.
  void drop(int64_t depth, at::Device device);
  void drop_unwanted(at::Device device, bool all);
  void check_examples(const PackedBatch& batch) const;
  // Whether the rows of a sequence are there, of the ids that it has.
  bool holds(const Depth& kept, const PackedBatch& batch, int64_t sequence) const;
  void note_read(Depth& kept, int32_t example);
  // Gives up the depths that are not wanted any more, if that has changed; then as `bound`.
  Depth& bound_to_read(int64_t depth, const WeightDigest& digest, at::Device device);
  // The rows of a depth for these weights; what other weights have left there is dropped.
  Depth& bound(int64_t depth, const WeightDigest& digest, at::Device device);

  const std::vector<int64_t> offsets_;
  const PrefixStoreOptions options_;
  mutable std::mutex mutex_;
  std::vector<int64_t> wanted_;
  bool wants_changed_ = false;
  std::map<int64_t, std::unique_ptr<Depth>> depths_;
  Usage usage_;
};

}  // namespace permafrost
