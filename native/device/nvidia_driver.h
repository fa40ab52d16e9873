// What NVIDIA's driver says about itself and its cards, through libcuda and libnvidia-ml.
//
// Both libraries belong to the driver and are loaded at first use, so that the addon needs neither the CUDA
// toolkit to be built nor a driver to be loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace permafrost {

struct NvidiaCard {
  std::string name;
  // As NVML knows the card, e.g. "00000000:3B:00.0".
  std::string bus_id;
  int capability_major = 0;
  int capability_minor = 0;
  int64_t memory_bytes = 0;
};

struct NvidiaDriver {
  // Such as "580.65.06"; empty where libnvidia-ml is not there.
  std::string version;
  // The newest CUDA that the driver serves, 1000 * major + 10 * minor; 0 where there is no driver.
  int cuda_version = 0;
  // In the order of the device numbers of "cuda:0", "cuda:1", after CUDA_VISIBLE_DEVICES.
  std::vector<NvidiaCard> cards;
  // Why there are no cards; empty where there are some.
  std::string problem;
};

struct CardEnergy {
  // Counted since the driver was loaded; absent on cards before Volta.
  std::optional<double> joules;
  // Power drawn now.
  std::optional<double> watts;
};

NvidiaDriver describe_nvidia_driver();

// Energy of the card that "cuda:<device>" names; both absent where there is no such card or no NVML.
CardEnergy read_card_energy(int device);

}  // namespace permafrost
