// The driver's functions that load compiled kernels and launch them, by dlopen as in device/nvidia_driver.h.
#pragma once

#include <string>

namespace permafrost {

class DriverLaunches {
 public:
  // Throws std::runtime_error where the library is missing or lacks a function.
  explicit DriverLaunches(const std::string& path = "libcuda.so.1");

  // Makes the device's primary context, which libtorch uses, the thread's current one where it has none: a thread that
  // asked libtorch for nothing but memory that another had given back has none.
  void enter(int device) const;

  // All of the context that is the thread's current one; whoever calls has made one current. They throw std::runtime_error
  // with the driver's words.
  // 10 * major + minor.
  int capability() const;
  void* load(const std::string& image) const;
  // A function of a loaded image, on the device before its first launch, which may be recorded; allowed all shared memory
  // that a block of the device may have.
  void* function(void* module, const std::string& symbol) const;
  void launch(const std::string& name, void* function, const unsigned (&grid)[3], unsigned block, unsigned shared,
              void* stream, void** arguments) const;

 private:
  int attribute(int which) const;
  void check(int result, const std::string& doing) const;

  int (*current_context_)(void**) = nullptr;
  int (*set_context_)(void*) = nullptr;
  int (*device_)(int*, int) = nullptr;
  int (*retain_context_)(void**, int) = nullptr;
  int (*current_device_)(int*) = nullptr;
  int (*device_attribute_)(int*, int, int) = nullptr;
  int (*load_)(void**, const void*) = nullptr;
  int (*function_)(void**, void*, const char*) = nullptr;
  int (*set_attribute_)(void*, int, int) = nullptr;
  int (*load_function_)(void*) = nullptr;  // of CUDA 12.4; null where the driver is older
  int (*launch_)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**,
                 void**) = nullptr;
  int (*error_string_)(int, const char**) = nullptr;
};

}  // namespace permafrost
