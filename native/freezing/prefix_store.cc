#include "freezing/prefix_store.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "core/file.h"

namespace permafrost {

namespace {

at::ScalarType scalar_of(StorePrecision precision) {
  switch (precision) {
    case StorePrecision::fp32:
      return at::kFloat;
    case StorePrecision::bf16:
      return at::kBFloat16;
    case StorePrecision::fp16:
      return at::kHalf;
  }
  return at::kFloat;
}

// FNV-1a over whole ids; tells examples apart that lie at the same place of two datasets.
uint64_t hash_of(const int32_t* ids, int64_t count) {
  uint64_t hash = 14695981039346656037ull;
  for (int64_t i = 0; i < count; ++i) hash = (hash ^ static_cast<uint32_t>(ids[i])) * 1099511628211ull;
  return hash;
}

at::Tensor index_on(at::Device device, const std::vector<int64_t>& values) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())}, at::kLong)
      .to(device, /*non_blocking=*/false, /*copy=*/true);
}

// Waits for what the calling thread launched.
void wait_for_device(at::Device device) {
  if (device.is_cpu()) return;
  c10::Event done(device.type());
  done.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  wait_for(done);
}

// Bytes mapped from nowhere or from a file without a name. Pages cost memory when they are first written.
class Mapping {
 public:
  Mapping(size_t size, const std::string& directory) : size_(size) {
    if (size == 0) return;
    std::optional<UnnamedFile> file;
    if (!directory.empty()) {
      file.emplace(directory, "the prefix store");
      // Taken now rather than found missing by a fault on some later write.
      const int failure = posix_fallocate(file->descriptor(), 0, static_cast<off_t>(size));
      check(failure == 0, ErrorCode::WRITE_FAILED, "Cannot take ", size, " bytes for the prefix store in ", directory,
            ": ", std::strerror(failure), ". Lower its budget or choose another directory.");
    }
    const int kind = file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, kind, file ? file->descriptor() : -1, 0);
    if (data_ == MAP_FAILED) data_ = nullptr;
    check(data_ != nullptr, ErrorCode::OUT_OF_MEMORY, "Cannot map ", size, " bytes for the prefix store.");
  }
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t size_;
};

}  // namespace

namespace {

// Whether a row is there, and whether an earlier run computed it and this one has not read it yet.
enum Presence : uint8_t { kAbsent = 0, kOwn, kForeign };

}  // namespace

// Rows of one depth in tiers, each holding examples that follow one another: the first ones on the device of the
// models that use them, the next ones in memory, then in the file, the rest not at all.
struct PrefixStore::Depth {
  struct Tier {
    size_t begin = 0, end = 0;  // examples
    at::Tensor rows;            // [tokens of the examples, hidden]

    size_t bytes() const { return rows.defined() ? rows.nbytes() : 0; }
  };

  Depth(const WeightDigest& digest, const std::vector<int64_t>& offsets, size_t row_bytes, at::Device device,
        const std::array<size_t, 3>& bytes_left, const PrefixStoreOptions& options)
      : digest(digest), hashes(offsets.size() - 1), present(offsets.size() - 1) {
    size_t begin = 0;
    for (size_t i = 0; i < tiers.size(); ++i) {
      size_t end = begin;
      while (end + 1 < offsets.size() &&
             static_cast<size_t>(offsets[end + 1] - offsets[begin]) * row_bytes <= bytes_left[i]) {
        ++end;
      }
      const int64_t count = offsets[end] - offsets[begin];
      tiers[i] = {begin, end, count > 0 ? allocate(i, count, row_bytes, device, options) : at::Tensor()};
      begin = end;
    }
  }

  // Undefined where there is no room for the example.
  at::Tensor rows(size_t example, const std::vector<int64_t>& offsets) const {
    for (const Tier& tier : tiers) {
      if (example >= tier.begin && example < tier.end) {
        return tier.rows.narrow(0, offsets[example] - offsets[tier.begin], offsets[example + 1] - offsets[example]);
      }
    }
    return {};
  }

  WeightDigest digest;
  std::vector<uint64_t> hashes;
  std::vector<uint8_t> present;  // Presence
  std::array<Tier, 3> tiers;

 private:
  static at::Tensor allocate(size_t tier, int64_t count, size_t row_bytes, at::Device device,
                             const PrefixStoreOptions& options) {
    const auto type = at::TensorOptions().dtype(scalar_of(options.precision));
    if (tier == 0) return at::empty({count, options.hidden_size}, type.device(device));
    // A card reads page-locked memory without waiting.
    if (tier == 1 && device.is_cuda()) return at::empty({count, options.hidden_size}, type.pinned_memory(true));
    auto mapping = std::make_shared<Mapping>(static_cast<size_t>(count) * row_bytes, tier == 1 ? "" : options.directory);
    void* data = mapping->data();
    return at::from_blob(data, {count, options.hidden_size}, [mapping](void*) mutable { mapping.reset(); }, type);
  }
};

PrefixStore::PrefixStore(std::vector<int64_t> offsets, const PrefixStoreOptions& options)
    : offsets_(std::move(offsets)), options_(options), wanted_(options.depths) {
  check(offsets_.size() >= 2 && std::is_sorted(offsets_.begin(), offsets_.end()) && offsets_.front() == 0,
        ErrorCode::INVALID_OPTION, "prefix store: offsets must start at 0 and ascend.");
  check(options_.hidden_size > 0, ErrorCode::INVALID_OPTION, "prefix store: hiddenSize must be at least 1.");
}

PrefixStore::~PrefixStore() = default;

void PrefixStore::keep(std::vector<int64_t> depths) {
  const std::lock_guard<std::mutex> lock(mutex_);
  wanted_ = std::move(depths);
  wants_changed_ = true;
}

std::vector<int64_t> PrefixStore::read(int64_t depth, const WeightDigest& digest, const PackedBatch& batch,
                                       at::Tensor& hidden_TH) {
  check_examples(batch);
  const std::lock_guard<std::mutex> lock(mutex_);
  Depth& kept = bound_to_read(depth, digest, hidden_TH.device());
  std::vector<int64_t> missing;
  // Rows of the device's tier are gathered together, so that a card is asked once and not for every sentence.
  std::vector<int64_t> from, to;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const auto example = static_cast<size_t>(batch.examples[s]);
    const int64_t begin = batch.cu_seqlens[s];
    const int64_t length = batch.cu_seqlens[s + 1] - begin;
    if (!holds(kept, batch, s)) {
      missing.push_back(s);
      continue;
    }
    note_read(kept, batch.examples[s]);
    if (example < kept.tiers[0].end) {
      for (int64_t t = 0; t < length; ++t) {
        from.push_back(offsets_[example] + t);
        to.push_back(begin + t);
      }
    } else {
      hidden_TH.slice(0, begin, begin + length).copy_(kept.rows(example, offsets_), /*non_blocking=*/true);
    }
  }
  if (!from.empty()) {
    const at::Tensor& rows = kept.tiers[0].rows;
    const at::Tensor gathered = rows.index_select(0, index_on(rows.device(), from)).to(hidden_TH.options());
    if (static_cast<int64_t>(to.size()) == hidden_TH.size(0)) {
      hidden_TH.copy_(gathered);
    } else {
      hidden_TH.index_copy_(0, index_on(hidden_TH.device(), to), gathered);
    }
  }
  return missing;
}

PrefixStore::DeviceRows PrefixStore::find_on_device(int64_t depth, const WeightDigest& digest, const PackedBatch& batch,
                                                    at::Device device) {
  check_examples(batch);
  const std::lock_guard<std::mutex> lock(mutex_);
  Depth& kept = bound_to_read(depth, digest, device);
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    if (static_cast<size_t>(batch.examples[s]) >= kept.tiers[0].end || !holds(kept, batch, s)) return {};
  }
  DeviceRows found{kept.tiers[0].rows, {}};
  found.rows.reserve(batch.input_ids.size());
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    note_read(kept, batch.examples[s]);
    auto row = static_cast<int32_t>(offsets_[static_cast<size_t>(batch.examples[s])]);
    for (int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) found.rows.push_back(row++);
  }
  usage_.hits += batch.num_sequences();
  return found;
}

bool PrefixStore::holds(const Depth& kept, const PackedBatch& batch, int64_t sequence) const {
  const auto example = static_cast<size_t>(batch.examples[sequence]);
  const int64_t begin = batch.cu_seqlens[sequence];
  const int64_t length = batch.cu_seqlens[sequence + 1] - begin;
  return kept.present[example] != kAbsent && kept.hashes[example] == hash_of(&batch.input_ids[begin], length);
}

void PrefixStore::note_read(Depth& kept, int32_t example) {
  uint8_t& presence = kept.present[static_cast<size_t>(example)];
  usage_.borrowed += presence == kForeign;
  presence = kOwn;
}

void PrefixStore::write(int64_t depth, const WeightDigest& digest, const PackedBatch& batch, const at::Tensor& hidden_TH) {
  check_examples(batch);
  const std::lock_guard<std::mutex> lock(mutex_);
  Depth& kept = bound(depth, digest, hidden_TH.device());
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const auto example = static_cast<size_t>(batch.examples[s]);
    at::Tensor target = kept.rows(example, offsets_);
    if (!target.defined()) continue;
    const int64_t begin = batch.cu_seqlens[s];
    const int64_t length = batch.cu_seqlens[s + 1] - begin;
    target.copy_(hidden_TH.slice(0, begin, begin + length), /*non_blocking=*/true);
    kept.hashes[example] = hash_of(&batch.input_ids[begin], length);
    usage_.examples += kept.present[example] == kAbsent;
    kept.present[example] = kOwn;
  }
  // Other engines read by streams of their own, and the host reads what was written to memory.
  wait_for_device(hidden_TH.device());
}

void PrefixStore::begin_run() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [depth, kept] : depths_) std::replace(kept->present.begin(), kept->present.end(), uint8_t{kOwn}, uint8_t{kForeign});
}

bool PrefixStore::wants(int64_t depth) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return is_wanted(depth);
}

bool PrefixStore::is_wanted(int64_t depth) const {
  return std::find(wanted_.begin(), wanted_.end(), depth) != wanted_.end();
}

int64_t PrefixStore::below(int64_t depth, const std::vector<WeightDigest>& digests) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (int64_t lesser = depth - 1; lesser >= 0; --lesser) {
    const auto found = depths_.find(lesser);
    const bool is_there = found != depths_.end() && found->second->digest == digests[static_cast<size_t>(lesser)];
    if (is_there || is_wanted(lesser)) return lesser;
  }
  return -1;
}

bool PrefixStore::keeps_exactly(at::ScalarType type) const {
  return options_.precision == StorePrecision::fp32 || scalar_of(options_.precision) == type;
}

void PrefixStore::count(int64_t hits, int64_t misses) {
  const std::lock_guard<std::mutex> lock(mutex_);
  usage_.hits += hits;
  usage_.misses += misses;
}

void PrefixStore::round(at::Tensor& hidden_TH) const {
  if (options_.precision != StorePrecision::fp32) hidden_TH.copy_(hidden_TH.to(scalar_of(options_.precision)));
}

PrefixStore::Usage PrefixStore::usage() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return usage_;
}

size_t PrefixStore::row_bytes() const {
  return static_cast<size_t>(options_.hidden_size) * c10::elementSize(scalar_of(options_.precision));
}

void PrefixStore::check_examples(const PackedBatch& batch) const {
  check(static_cast<int64_t>(batch.examples.size()) == batch.num_sequences(), ErrorCode::INVALID_BATCH,
        "A batch for the prefix store needs the example of each of its ", batch.num_sequences(), " sequences, got ",
        batch.examples.size(), ".");
  const auto size = static_cast<int64_t>(offsets_.size()) - 1;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const int32_t example = batch.examples[s];
    check(example >= 0 && example < size, ErrorCode::INVALID_BATCH, "Example ", example, " lies outside the store's ",
          size, " examples.");
    const int64_t length = batch.cu_seqlens[s + 1] - batch.cu_seqlens[s];
    const int64_t stored = offsets_[example + 1] - offsets_[example];
    check(length == stored, ErrorCode::INVALID_BATCH, "Example ", example, " has ", length,
          " tokens in the batch, but the store was made for ", stored, ". Is it the store of another dataset?");
  }
}

void PrefixStore::drop(int64_t depth, at::Device device) {
  const auto found = depths_.find(depth);
  const Depth& kept = *found->second;
  usage_.device_bytes -= kept.tiers[0].bytes();
  usage_.memory_bytes -= kept.tiers[1].bytes();
  usage_.file_bytes -= kept.tiers[2].bytes();
  usage_.examples -= std::count_if(kept.present.begin(), kept.present.end(), [](uint8_t row) { return row != kAbsent; });
  wait_for_device(device);
  depths_.erase(found);
}

void PrefixStore::drop_unwanted(at::Device device, bool all) {
  const int64_t deepest = wanted_.empty() ? -1 : *std::max_element(wanted_.begin(), wanted_.end());
  std::vector<int64_t> unwanted;
  for (const auto& entry : depths_) {
    if (!is_wanted(entry.first)) unwanted.push_back(entry.first);
  }
  const auto source = std::find_if(unwanted.rbegin(), unwanted.rend(), [&](int64_t depth) { return depth < deepest; });
  for (auto depth = unwanted.rbegin(); depth != unwanted.rend(); ++depth) {
    if (all || depth != source) drop(*depth, device);
  }
}

PrefixStore::Depth& PrefixStore::bound_to_read(int64_t depth, const WeightDigest& digest, at::Device device) {
  if (wants_changed_) drop_unwanted(device, /*all=*/false);
  wants_changed_ = false;
  return bound(depth, digest, device);
}

PrefixStore::Depth& PrefixStore::bound(int64_t depth, const WeightDigest& digest, at::Device device) {
  const auto found = depths_.find(depth);
  if (found != depths_.end()) {
    if (found->second->digest == digest) return *found->second;
    drop(depth, device);
  }
  const size_t whole = static_cast<size_t>(offsets_.back()) * row_bytes();
  const auto fits = [&] {
    const size_t used = usage_.device_bytes + usage_.memory_bytes + usage_.file_bytes;
    return used + whole <= options_.device_budget + options_.memory_budget + options_.file_budget;
  };
  if (!fits()) drop_unwanted(device, /*all=*/true);
  // Rows of a deeper prefix save more work for the same bytes, so room for those is left first.
  const auto deeper = [&](int64_t other) { return other > depth && depths_.find(other) == depths_.end(); };
  size_t reserved = whole * std::count_if(wanted_.begin(), wanted_.end(), deeper);
  const auto left = [&](size_t budget, size_t used) {
    const size_t free = budget - used;
    const size_t taken = std::min(free, reserved);
    reserved -= taken;
    return free - taken;
  };
  const size_t device_left = left(options_.device_budget, usage_.device_bytes);
  const size_t memory_left = left(options_.memory_budget, usage_.memory_bytes);
  const size_t file_left = left(options_.file_budget, usage_.file_bytes);
  auto made = std::make_unique<Depth>(digest, offsets_, row_bytes(), device,
                                      std::array<size_t, 3>{device_left, memory_left, file_left}, options_);
  usage_.device_bytes += made->tiers[0].bytes();
  usage_.memory_bytes += made->tiers[1].bytes();
  usage_.file_bytes += made->tiers[2].bytes();
  return *(depths_[depth] = std::move(made));
}

}  // namespace permafrost
