#include "device/device.h"

#include <array>

#include "core/error.h"

namespace permafrost {

int count_cards() {
  return at::globalContext().hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().getNumGPUs()) : 0;
}

at::Device parse_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && count_cards() == 0)) return at::Device(at::kCPU);
  if (name == "auto") return at::Device(at::kCUDA, 0);
  check(name.rfind("cuda", 0) == 0, ErrorCode::INVALID_OPTION, "device: expected 'cpu', 'cuda', 'cuda:<number>' or 'auto', got '",
        name, "'.");
  const std::string rest = name.substr(4);
  const bool well_formed =
      rest.empty() || (rest.size() >= 2 && rest.size() <= 4 && rest[0] == ':' &&
                       rest.find_first_not_of("0123456789", 1) == std::string::npos);
  check(well_formed, ErrorCode::INVALID_OPTION, "device: expected 'cpu', 'cuda', 'cuda:<number>' or 'auto', got '", name, "'.");
  const int count = count_cards();
  check(count > 0, ErrorCode::DEVICE_UNAVAILABLE, "device: '", name,
        "' was asked for, but the libtorch in use finds no CUDA device. Use device 'cpu', or a CUDA build of libtorch "
        "on a machine with a card.");
  const int index = rest.empty() ? 0 : std::stoi(rest.substr(1));
  check(index < count, ErrorCode::DEVICE_UNAVAILABLE, "device: '", name, "' was asked for, but there ",
        count == 1 ? "is one CUDA device, cuda:0" : "are CUDA devices 0 to ", count == 1 ? "" : std::to_string(count - 1),
        ".");
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

void enter_device(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl devices(device.type());
  devices.setDevice(device);
  devices.exchangeStream(devices.getStreamFromGlobalPool(device));
}

namespace {

constexpr size_t kMostCards = 64;

// libtorch has one generator for each card and process; so there is one lock for each.
std::mutex& generator_mutex(at::Device device) {
  static std::array<std::mutex, kMostCards> mutexes;
  return mutexes[static_cast<size_t>(device.index()) % kMostCards];
}

// Different seeds for different passes, by the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
uint64_t seed_of(uint64_t seed, uint32_t pass) {
  uint64_t x = seed + 0x9e3779b97f4a7c15ull * (uint64_t{pass} + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

GeneratorLock::GeneratorLock(at::Device device, uint64_t seed, uint32_t pass) {
  if (device.is_cpu()) return;
  lock_ = std::unique_lock<std::mutex>(generator_mutex(device));
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard<std::mutex> guard(generator.mutex());
  generator.set_current_seed(seed_of(seed, pass));
}

}  // namespace permafrost
