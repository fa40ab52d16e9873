#include "core/buffer_pool.h"

#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>

#include "core/error.h"

namespace permafrost {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSmallest = 4096;
// Blocks whose sizes differ by at most this factor stand in for one another from batch to batch. Below the 3/4
// that lie between the widths of a layer's largest buffers, and about the shortest batch over the longest.
constexpr double kLeastFill = 0.45;

// Rounds up to an eighth step between powers of two, so that batches of nearly equal size share blocks.
size_t round_size(size_t bytes) {
  size_t power = kSmallest;
  while (power * 2 <= bytes) power *= 2;
  const size_t eighth = power / 8;
  return bytes <= kSmallest ? kSmallest : (bytes + eighth - 1) / eighth * eighth;
}

}  // namespace

struct BufferPool::Blocks {
  std::mutex mutex;
  std::multimap<size_t, void*> waiting;
  size_t held = 0;

  ~Blocks() { trim(); }

  void* take(size_t bytes, size_t& block_size) {
    const std::lock_guard<std::mutex> lock(mutex);
    const size_t wanted = round_size(bytes);
    const auto found = waiting.lower_bound(bytes);
    if (found != waiting.end() && static_cast<double>(found->first) * kLeastFill <= static_cast<double>(wanted)) {
      block_size = found->first;
      void* block = found->second;
      waiting.erase(found);
      return block;
    }
    // A longer batch than those before: its block takes the place of a shorter one's, rather than adding to it.
    const auto shorter = std::prev(found, found == waiting.begin() ? 0 : 1);
    if (shorter != waiting.end() && shorter->first < bytes &&
        static_cast<double>(shorter->first) >= kLeastFill * static_cast<double>(wanted)) {
      std::free(shorter->second);
      held -= shorter->first;
      waiting.erase(shorter);
    }
    block_size = wanted;
    void* block = allocate(block_size);
    if (block == nullptr) {
      release_waiting();
      block = allocate(block_size);
    }
    if (block == nullptr) {
      fail(ErrorCode::OUT_OF_MEMORY, "Not enough memory for a buffer of ", block_size, " bytes beside the ", held,
           " bytes held already. Use a smaller batch, gradient accumulation, or freeze more layers.");
    }
    held += block_size;
    return block;
  }

  void give(void* block, size_t block_size) {
    const std::lock_guard<std::mutex> lock(mutex);
    waiting.emplace(block_size, block);
  }

  void trim() {
    const std::lock_guard<std::mutex> lock(mutex);
    release_waiting();
  }

 private:
  static void* allocate(size_t bytes) {
    void* block = nullptr;
    return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
  }

  void release_waiting() {
    for (const auto& [size, block] : waiting) {
      std::free(block);
      held -= size;
    }
    waiting.clear();
  }
};

BufferPool::BufferPool(at::Device device, at::ScalarType type)
    : device_(device), type_(type), blocks_(std::make_shared<Blocks>()) {}
BufferPool::~BufferPool() = default;

at::Tensor BufferPool::empty(at::IntArrayRef sizes, at::ScalarType type) {
  const auto options = at::TensorOptions().dtype(type).device(device_);
  if (!device_.is_cpu()) return at::empty(sizes, options);
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  size_t block_size = 0;
  void* block = blocks_->take(static_cast<size_t>(count) * c10::elementSize(type), block_size);
  return at::from_blob(
      block, sizes, [blocks = blocks_, block_size](void* data) { blocks->give(data, block_size); }, options);
}

size_t BufferPool::bytes() const {
  const std::lock_guard<std::mutex> lock(blocks_->mutex);
  return blocks_->held;
}

void BufferPool::trim() { blocks_->trim(); }

}  // namespace permafrost
