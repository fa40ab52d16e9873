#include "device/device.h"

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

}  // namespace permafrost
