// Kernels of a card, compiled by NVRTC for the card that is there and launched by the driver.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/driver_launches.h"
#include "device/kernel_cache.h"
#include "device/kernel_files.h"
#include "device/kernels.h"
#include "device/nvrtc.h"

namespace permafrost {

// The program that NVRTC compiles for one source: it includes the file, and finds what that includes in kernel_files().
SourceFile kernel_program(const KernelSource& source);

// For one device, whose context is the thread's current one while it is made; then for any thread on which it is.
class CompiledKernels : public DeviceKernels {
 public:
  // What it takes from the machine.
  struct Machine {
    const Nvrtc& nvrtc;
    const DriverLaunches& driver;
    std::string cache_directory;
    // The handle of the thread's current stream on the device.
    std::function<void*()> stream;
  };

  // Compiles the sources, or reads what was compiled before. A source that fails leaves its kernels out. Throws
  // std::runtime_error where the card has none at all.
  CompiledKernels(Machine machine, const std::vector<KernelSource>& sources);

  bool has(const std::string& name) const override { return functions_.count(name) != 0; }
  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override;

  // Why kernels are missing; empty where none is.
  const std::string& problem() const { return problem_; }
  // How many of the sources were compiled, not read.
  int compiled() const { return compiled_; }

 private:
  void load(const KernelSource& source, const std::string& architecture);

  const Machine machine_;
  std::map<std::string, void*> functions_;
  std::string problem_;
  int compiled_ = 0;
};

// Those of a device that the thread has entered (enter_device). Throws std::runtime_error where there are none.
std::unique_ptr<CompiledKernels> compile_kernels(at::Device device, const std::vector<KernelSource>& sources);

}  // namespace permafrost
