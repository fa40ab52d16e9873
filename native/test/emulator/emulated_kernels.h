// The kernels that a test registered, on tensors of the CPU.
#pragma once

#include <map>
#include <string>

#include "device/kernels.h"
#include "test/emulator/kernel.h"

namespace permafrost {

class EmulatedKernels : public DeviceKernels {
 public:
  bool has(const std::string& name) const override { return emulator::registered_kernels().count(name) != 0; }

  // How often each kernel was launched, by name.
  const std::map<std::string, int64_t>& launches() const { return launches_; }

  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override {
    const auto kernel = emulator::registered_kernels().find(name);
    if (kernel == emulator::registered_kernels().end()) throw emulator::KernelFault("no kernel " + name + " is registered");
    kernel->second(name, shape, arguments, count);
    ++launches_[name];
  }

 private:
  std::map<std::string, int64_t> launches_;
};

}  // namespace permafrost
