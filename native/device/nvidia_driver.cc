#include "device/nvidia_driver.h"

#include <dlfcn.h>

namespace permafrost {

namespace {

// The driver's C interfaces, as far as they are used here: plain integers and opaque pointers in both.
struct CudaLibrary {
  int (*init)(unsigned) = nullptr;
  int (*driver_version)(int*) = nullptr;
  int (*device_count)(int*) = nullptr;
  int (*device)(int*, int) = nullptr;
  int (*device_name)(char*, int, int) = nullptr;
  int (*device_attribute)(int*, int, int) = nullptr;
  int (*device_memory)(size_t*, int) = nullptr;
  int (*device_bus_id)(char*, int, int) = nullptr;
  bool is_there = false;
};

struct NvmlLibrary {
  int (*init)() = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*by_bus_id)(const char*, void**) = nullptr;
  int (*energy)(void*, unsigned long long*) = nullptr;
  int (*power)(void*, unsigned*) = nullptr;
  bool is_there = false;
};

// CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h.
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

CudaLibrary load_cuda() {
  CudaLibrary cuda;
  void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return cuda;
  cuda.is_there = find(library, "cuInit", cuda.init) && find(library, "cuDriverGetVersion", cuda.driver_version) &&
                  find(library, "cuDeviceGetCount", cuda.device_count) && find(library, "cuDeviceGet", cuda.device) &&
                  find(library, "cuDeviceGetName", cuda.device_name) &&
                  find(library, "cuDeviceGetAttribute", cuda.device_attribute) &&
                  find(library, "cuDeviceTotalMem_v2", cuda.device_memory) &&
                  find(library, "cuDeviceGetPCIBusId", cuda.device_bus_id);
  return cuda;
}

NvmlLibrary load_nvml() {
  NvmlLibrary nvml;
  void* library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return nvml;
  nvml.is_there = find(library, "nvmlInit_v2", nvml.init) &&
                  find(library, "nvmlSystemGetDriverVersion", nvml.driver_version) &&
                  find(library, "nvmlDeviceGetHandleByPciBusId_v2", nvml.by_bus_id) &&
                  find(library, "nvmlDeviceGetTotalEnergyConsumption", nvml.energy) &&
                  find(library, "nvmlDeviceGetPowerUsage", nvml.power) && nvml.init() == 0;
  return nvml;
}

const CudaLibrary& cuda() {
  static const CudaLibrary library = load_cuda();
  return library;
}

const NvmlLibrary& nvml() {
  static const NvmlLibrary library = load_nvml();
  return library;
}

std::string bus_id_of(int device) {
  char bus_id[32] = "";
  int handle = 0;
  if (!cuda().is_there || cuda().init(0) != 0 || cuda().device(&handle, device) != 0) return "";
  return cuda().device_bus_id(bus_id, sizeof(bus_id), handle) == 0 ? bus_id : "";
}

NvidiaCard describe_card(int device) {
  NvidiaCard card;
  int handle = 0;
  if (cuda().device(&handle, device) != 0) return card;
  char name[128] = "";
  if (cuda().device_name(name, sizeof(name), handle) == 0) card.name = name;
  cuda().device_attribute(&card.capability_major, kCapabilityMajor, handle);
  cuda().device_attribute(&card.capability_minor, kCapabilityMinor, handle);
  size_t bytes = 0;
  if (cuda().device_memory(&bytes, handle) == 0) card.memory_bytes = static_cast<int64_t>(bytes);
  card.bus_id = bus_id_of(device);
  return card;
}

}  // namespace

NvidiaDriver describe_nvidia_driver() {
  NvidiaDriver driver;
  char version[96] = "";
  if (nvml().is_there && nvml().driver_version(version, sizeof(version)) == 0) driver.version = version;
  if (!cuda().is_there) {
    driver.problem = "libcuda.so.1 was not found";
    return driver;
  }
  cuda().driver_version(&driver.cuda_version);
  const int status = cuda().init(0);
  int count = 0;
  if (status != 0) {
    driver.problem = "cuInit answers with error " + std::to_string(status);
  } else if (cuda().device_count(&count) != 0 || count == 0) {
    driver.problem = "the driver sees no card";
  }
  for (int device = 0; device < count; ++device) driver.cards.push_back(describe_card(device));
  return driver;
}

CardEnergy read_card_energy(int device) {
  CardEnergy result;
  void* handle = nullptr;
  const std::string bus_id = nvml().is_there ? bus_id_of(device) : "";
  if (bus_id.empty() || nvml().by_bus_id(bus_id.c_str(), &handle) != 0) return result;
  unsigned long long millijoules = 0;
  if (nvml().energy(handle, &millijoules) == 0) result.joules = static_cast<double>(millijoules) / 1000;
  unsigned milliwatts = 0;
  if (nvml().power(handle, &milliwatts) == 0) result.watts = static_cast<double>(milliwatts) / 1000;
  return result;
}

}  // namespace permafrost
