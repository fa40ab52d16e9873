// Kernels are compared with the plain operations before they are used on a card: what disagrees there is not used.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "device/kernels.h"

namespace permafrost {

// Kernels without some that were refused.
class KernelGate : public DeviceKernels {
 public:
  explicit KernelGate(std::shared_ptr<DeviceKernels> kernels) : kernels_(std::move(kernels)) {}

  bool has(const std::string& name) const override { return refused_.count(name) == 0 && kernels_->has(name); }
  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override {
    if (notes_ != nullptr) notes_->insert(name);
    kernels_->run(name, shape, arguments, count);
  }

  void refuse(const std::string& name) { refused_.insert(name); }
  // From now on the names of launched kernels go there; null: nowhere.
  void note(std::set<std::string>* names) { notes_ = names; }

 private:
  const std::shared_ptr<DeviceKernels> kernels_;
  std::set<std::string> refused_;
  std::set<std::string>* notes_ = nullptr;
};

// A kernel has left the device so that it answers no more, such as by an access to memory that is not the process's.
struct DeviceSpoilt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Runs the operations that have kernels on small inputs, with the kernels and with the plain operations, on the device. Of
// an operation that disagrees, the kernels that no one before it has shown to be right are refused. Returns which
// operations, empty where all agree; `checked`, where given, gets the names of all kernels that ran. No other thread may
// use the gate meanwhile. Throws DeviceSpoilt where the device does not answer after a failure, which `answers` says in
// place of a sum on the device.
std::string refuse_wrong_kernels(const std::shared_ptr<KernelGate>& kernels, at::Device device, at::ScalarType type,
                                 int64_t head_size, std::set<std::string>* checked = nullptr,
                                 const std::function<bool()>& answers = {});

}  // namespace permafrost
