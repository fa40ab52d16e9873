#include "device/device.h"

#include "core/error.h"

namespace permafrost {

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  check(name.rfind("cuda", 0) == 0, ErrorCode::INVALID_OPTION, "device: expected 'cpu', 'cuda' or 'cuda:<number>', got '",
        name, "'.");
  const std::string rest = name.substr(4);
  const bool well_formed =
      rest.empty() || (rest.size() >= 2 && rest.size() <= 4 && rest[0] == ':' &&
                       rest.find_first_not_of("0123456789", 1) == std::string::npos);
  check(well_formed, ErrorCode::INVALID_OPTION, "device: expected 'cpu', 'cuda' or 'cuda:<number>', got '", name, "'.");
  check(at::globalContext().hasCUDA(), ErrorCode::DEVICE_UNAVAILABLE, "device: '", name,
        "' was asked for, but the libtorch in use finds no CUDA device. Use device 'cpu', or a CUDA build of libtorch "
        "on a machine with a card.");
  const int index = rest.empty() ? 0 : std::stoi(rest.substr(1));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace permafrost
