#include "device/driver_launches.h"

#include <dlfcn.h>

#include <stdexcept>

namespace permafrost {

namespace {

// Numbers of cuda.h.
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76, kLargestSharedMemory = 97;
constexpr int kDynamicSharedMemory = 8;

}  // namespace

DriverLaunches::DriverLaunches(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error("NVIDIA's driver was not found: " + std::string(dlerror()));
  const auto take = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) throw std::runtime_error("NVIDIA's driver has no " + std::string(name));
  };
  take("cuCtxGetCurrent", current_context_);
  take("cuCtxSetCurrent", set_context_);
  take("cuDeviceGet", device_);
  take("cuDevicePrimaryCtxRetain", retain_context_);
  take("cuCtxGetDevice", current_device_);
  take("cuDeviceGetAttribute", device_attribute_);
  take("cuModuleLoadData", load_);
  take("cuModuleGetFunction", function_);
  take("cuFuncSetAttribute", set_attribute_);
  take("cuLaunchKernel", launch_);
  take("cuGetErrorString", error_string_);
  load_function_ = reinterpret_cast<decltype(load_function_)>(dlsym(library, "cuFuncLoad"));
}

void DriverLaunches::check(int result, const std::string& doing) const {
  if (result == 0) return;
  const char* words = nullptr;
  error_string_(result, &words);
  throw std::runtime_error("NVIDIA's driver, " + doing + ": " +
                           (words == nullptr ? "error " + std::to_string(result) : std::string(words)));
}

void DriverLaunches::enter(int device) const {
  void* context = nullptr;
  check(current_context_(&context), "asking for the context");
  if (context != nullptr) return;
  int handle = 0;
  check(device_(&handle, device), "asking for the device");
  check(retain_context_(&context, handle), "taking the device's context");
  check(set_context_(context), "entering the device's context");
}

int DriverLaunches::attribute(int which) const {
  int device = 0, value = 0;
  check(current_device_(&device), "asking for the device");
  check(device_attribute_(&value, which, device), "asking for a fact of the device");
  return value;
}

int DriverLaunches::capability() const { return 10 * attribute(kCapabilityMajor) + attribute(kCapabilityMinor); }

void* DriverLaunches::load(const std::string& image) const {
  void* module = nullptr;
  check(load_(&module, image.c_str()), "loading kernels");
  return module;
}

void* DriverLaunches::function(void* module, const std::string& symbol) const {
  void* function = nullptr;
  check(function_(&function, module, symbol.c_str()), "looking for " + symbol);
  // More than 48 KiB must be asked for; asking costs a kernel nothing that uses less.
  check(set_attribute_(function, kDynamicSharedMemory, attribute(kLargestSharedMemory)), "allowing shared memory to " + symbol);
  // Drivers load functions at their first launch, for which there may be no way while work is recorded.
  if (load_function_ != nullptr) check(load_function_(function), "loading " + symbol);
  return function;
}

void DriverLaunches::launch(const std::string& name, void* function, const unsigned (&grid)[3], unsigned block,
                            unsigned shared, void* stream, void** arguments) const {
  const int result = launch_(function, grid[0], grid[1], grid[2], block, 1, 1, shared, stream, arguments, nullptr);
  if (result != 0) check(result, "launching " + name);
}

}  // namespace permafrost
