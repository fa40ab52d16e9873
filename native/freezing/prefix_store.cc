#include "freezing/prefix_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

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

// Bytes mapped from nowhere or from a file without a name. Pages cost memory when they are first written.
class Mapping {
 public:
  Mapping(size_t size, const std::string& directory) : size_(size) {
    if (size == 0) return;
    int file = -1;
    if (!directory.empty()) {
      std::string name = directory + "/permafrost-prefix-XXXXXX";
      file = mkstemp(name.data());
      check(file >= 0, ErrorCode::WRITE_FAILED, "Cannot make a file for the prefix store in ", directory, ": ",
            std::strerror(errno), ". Choose another directory.");
      unlink(name.c_str());
      // Taken now rather than found missing by a fault on some later write.
      const int failure = posix_fallocate(file, 0, static_cast<off_t>(size));
      if (failure != 0) close(file);
      check(failure == 0, ErrorCode::WRITE_FAILED, "Cannot take ", size, " bytes for the prefix store in ", directory,
            ": ", std::strerror(failure), ". Lower its budget or choose another directory.");
    }
    const int kind = file >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, kind, file, 0);
    if (file >= 0) close(file);
    if (data_ == MAP_FAILED) data_ = nullptr;
    check(data_ != nullptr, ErrorCode::OUT_OF_MEMORY, "Cannot map ", size, " bytes for the prefix store.");
  }
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* data() const { return static_cast<uint8_t*>(data_); }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_;
};

}  // namespace

// Rows of one depth: the first examples in memory, the next ones in the file, the rest not at all.
struct PrefixStore::Depth {
  Depth(const WeightDigest& digest, const std::vector<int64_t>& offsets, size_t row_bytes, size_t memory_left,
        size_t file_left, const std::string& directory)
      : digest(digest), hashes(offsets.size() - 1), present(offsets.size() - 1) {
    const auto fitting = [&](size_t from, size_t bytes) {
      size_t end = from;
      while (end + 1 < offsets.size() && static_cast<size_t>(offsets[end + 1] - offsets[from]) * row_bytes <= bytes) ++end;
      return end;
    };
    memory_end = fitting(0, memory_left);
    file_end = fitting(memory_end, file_left);
    memory = std::make_unique<Mapping>(static_cast<size_t>(offsets[memory_end]) * row_bytes, "");
    file = std::make_unique<Mapping>(static_cast<size_t>(offsets[file_end] - offsets[memory_end]) * row_bytes, directory);
  }

  // Null where there is no room for the example.
  uint8_t* rows(size_t example, const std::vector<int64_t>& offsets, size_t row_bytes) const {
    if (example < memory_end) return memory->data() + static_cast<size_t>(offsets[example]) * row_bytes;
    if (example >= file_end) return nullptr;
    return file->data() + static_cast<size_t>(offsets[example] - offsets[memory_end]) * row_bytes;
  }

  WeightDigest digest;
  std::vector<uint64_t> hashes;
  std::vector<uint8_t> present;
  size_t memory_end, file_end;
  std::unique_ptr<Mapping> memory, file;
};

PrefixStore::PrefixStore(std::vector<int64_t> offsets, const PrefixStoreOptions& options)
    : offsets_(std::move(offsets)), options_(options) {
  check(offsets_.size() >= 2 && std::is_sorted(offsets_.begin(), offsets_.end()) && offsets_.front() == 0,
        ErrorCode::INVALID_OPTION, "prefix store: offsets must start at 0 and ascend.");
  check(options_.hidden_size > 0, ErrorCode::INVALID_OPTION, "prefix store: hiddenSize must be at least 1.");
}

PrefixStore::~PrefixStore() = default;

std::vector<int64_t> PrefixStore::read(int64_t depth, const WeightDigest& digest, const PackedBatch& batch,
                                       at::Tensor& hidden_TH) {
  check_examples(batch);
  const std::lock_guard<std::mutex> lock(mutex_);
  const Depth& kept = bound(depth, digest);
  std::vector<int64_t> missing;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const auto example = static_cast<size_t>(batch.examples[s]);
    const int64_t begin = batch.cu_seqlens[s];
    const int64_t length = batch.cu_seqlens[s + 1] - begin;
    if (!kept.present[example] || kept.hashes[example] != hash_of(&batch.input_ids[begin], length)) {
      missing.push_back(s);
      continue;
    }
    const at::Tensor rows = at::from_blob(kept.rows(example, offsets_, row_bytes()), {length, options_.hidden_size},
                                          scalar_of(options_.precision));
    hidden_TH.slice(0, begin, begin + length).copy_(rows);
  }
  usage_.misses += static_cast<int64_t>(missing.size());
  usage_.hits += batch.num_sequences() - static_cast<int64_t>(missing.size());
  return missing;
}

void PrefixStore::write(int64_t depth, const WeightDigest& digest, const PackedBatch& batch, const at::Tensor& hidden_TH) {
  check_examples(batch);
  const std::lock_guard<std::mutex> lock(mutex_);
  Depth& kept = bound(depth, digest);
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const auto example = static_cast<size_t>(batch.examples[s]);
    uint8_t* target = kept.rows(example, offsets_, row_bytes());
    if (target == nullptr) continue;
    const int64_t begin = batch.cu_seqlens[s];
    const int64_t length = batch.cu_seqlens[s + 1] - begin;
    at::from_blob(target, {length, options_.hidden_size}, scalar_of(options_.precision))
        .copy_(hidden_TH.slice(0, begin, begin + length));
    kept.hashes[example] = hash_of(&batch.input_ids[begin], length);
    usage_.examples += !kept.present[example];
    kept.present[example] = 1;
  }
}

bool PrefixStore::wants(int64_t depth) const {
  return std::find(options_.depths.begin(), options_.depths.end(), depth) != options_.depths.end();
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

PrefixStore::Depth& PrefixStore::bound(int64_t depth, const WeightDigest& digest) {
  const auto found = depths_.find(depth);
  if (found != depths_.end()) {
    if (found->second->digest == digest) return *found->second;
    usage_.memory_bytes -= found->second->memory->size();
    usage_.file_bytes -= found->second->file->size();
    usage_.examples -= std::count(found->second->present.begin(), found->second->present.end(), 1);
    depths_.erase(found);
  }
  // Rows of a deeper prefix save more work for the same bytes, so room for those is left first.
  const auto deeper = [&](int64_t other) { return other > depth && depths_.find(other) == depths_.end(); };
  size_t reserved = static_cast<size_t>(offsets_.back()) * row_bytes() *
                    std::count_if(options_.depths.begin(), options_.depths.end(), deeper);
  const auto left = [&](size_t budget, size_t used) {
    const size_t free = budget - used;
    const size_t taken = std::min(free, reserved);
    reserved -= taken;
    return free - taken;
  };
  const size_t memory_left = left(options_.memory_budget, usage_.memory_bytes);
  const size_t file_left = left(options_.file_budget, usage_.file_bytes);
  auto made = std::make_unique<Depth>(digest, offsets_, row_bytes(), memory_left, file_left, options_.directory);
  usage_.memory_bytes += made->memory->size();
  usage_.file_bytes += made->file->size();
  return *(depths_[depth] = std::move(made));
}

}  // namespace permafrost
