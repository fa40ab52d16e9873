#include "device/generator.h"

#include <array>

namespace permafrost {

namespace {

constexpr size_t kMostCards = 64;

// Different seeds for different passes, by the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
uint64_t seed_of(uint64_t seed, uint32_t pass) {
  uint64_t x = seed + 0x9e3779b97f4a7c15ull * (uint64_t{pass} + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

std::mutex& generator_mutex(at::Device device) {
  static std::array<std::mutex, kMostCards> mutexes;
  return mutexes[static_cast<size_t>(device.index()) % kMostCards];
}

DeviceGenerator::DeviceGenerator(at::Device device) : device_(device) {}

DeviceGenerator::Turn::Turn(DeviceGenerator& owner, uint64_t seed, uint32_t pass) {
  if (owner.device_.is_cpu()) return;
  lock_ = std::unique_lock<std::mutex>(generator_mutex(owner.device_));
  shared_ = at::globalContext().defaultGenerator(owner.device_);
  const std::lock_guard<std::mutex> guard(shared_.mutex());
  if (kHasGeneratorStates) {
    if (!owner.own_.defined()) owner.own_ = shared_.clone();
    others_ = exchange_state(shared_, owner.own_);
  }
  shared_.set_current_seed(seed_of(seed, pass));
}

DeviceGenerator::Turn::~Turn() {
  if (!others_.defined()) return;
  const std::lock_guard<std::mutex> guard(shared_.mutex());
  exchange_state(shared_, others_);
}

}  // namespace permafrost
