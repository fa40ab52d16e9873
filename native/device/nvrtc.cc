#include "device/nvrtc.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace permafrost {

namespace {

template <typename Function>
bool take_one(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The directory of a library that is loaded, with its slash; empty where it is not.
std::string directory_of_loaded(const char* name) {
  void* library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  link_map* map = nullptr;
  if (library == nullptr || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return "";
  const std::string path = map->l_name;
  dlclose(library);
  return path.substr(0, path.find_last_of('/') + 1);
}

// Where NVRTC may be, the likeliest first. libcaffe2_nvrtc is linked against the NVRTC that its libtorch was built with,
// and against the driver; wheels have NVRTC in a package beside libtorch's.
std::vector<std::string> places() {
  const std::string libtorch = directory_of_loaded("libtorch_cpu.so");
  std::vector<std::string> all;
  if (!libtorch.empty()) {
    all.push_back(libtorch + "libcaffe2_nvrtc.so");
    all.push_back(libtorch + "../../nvidia/cu13/lib/libnvrtc.so.13");
    all.push_back(libtorch + "../../nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
  }
  for (const char* version : {"13", "12", "11.2"}) all.push_back(std::string("libnvrtc.so.") + version);
  return all;
}

}  // namespace

bool Nvrtc::take(void* library) {
  Functions& f = functions_;
  return library != nullptr && take_one(library, "nvrtcVersion", f.version) &&
         take_one(library, "nvrtcGetNumSupportedArchs", f.num_supported_archs) &&
         take_one(library, "nvrtcGetSupportedArchs", f.supported_archs) &&
         take_one(library, "nvrtcCreateProgram", f.create_program) &&
         take_one(library, "nvrtcDestroyProgram", f.destroy_program) &&
         take_one(library, "nvrtcAddNameExpression", f.add_name_expression) &&
         take_one(library, "nvrtcCompileProgram", f.compile_program) &&
         take_one(library, "nvrtcGetProgramLogSize", f.log_size) && take_one(library, "nvrtcGetProgramLog", f.log) &&
         take_one(library, "nvrtcGetCUBINSize", f.cubin_size) && take_one(library, "nvrtcGetCUBIN", f.cubin) &&
         take_one(library, "nvrtcGetPTXSize", f.ptx_size) && take_one(library, "nvrtcGetPTX", f.ptx) &&
         take_one(library, "nvrtcGetLoweredName", f.lowered_name) &&
         take_one(library, "nvrtcGetErrorString", f.error_string);
}

Nvrtc::Nvrtc(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!take(library)) {
    const char* why = library == nullptr ? dlerror() : nullptr;
    throw std::runtime_error(path + " is no NVRTC of CUDA 11.2 or later" + (why == nullptr ? "" : std::string(": ") + why));
  }
  int major = 0, minor = 0;
  check(functions_.version(&major, &minor), "asking for its version");
  version_ = std::to_string(major) + "." + std::to_string(minor);
  // It opens a second library by name, which the loader does not look for beside it.
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(functions_.version), &where) != 0 && where.dli_fname != nullptr) {
    const std::string own = where.dli_fname;
    dlopen((own.substr(0, own.find_last_of('/') + 1) + "libnvrtc-builtins.so." + version_).c_str(), RTLD_LAZY | RTLD_LOCAL);
  }
}

const Nvrtc& Nvrtc::find() {
  // An attempt that failed is made again: the environment may have changed.
  static const Nvrtc found = [] {
    if (const char* named = std::getenv("PERMAFROST_NVRTC")) return Nvrtc(named);
    for (const std::string& place : places()) {
      try {
        return Nvrtc(place);
      } catch (const std::runtime_error&) {
        // The next one may be there.
      }
    }
    throw std::runtime_error(
        "NVRTC was found neither beside libtorch nor in the system: install nvidia-cuda-nvrtc, or name its library in "
        "PERMAFROST_NVRTC");
  }();
  return found;
}

void Nvrtc::check(int result, const char* doing) const {
  if (result != 0) throw std::runtime_error(std::string("NVRTC, ") + doing + ": " + functions_.error_string(result));
}

std::string Nvrtc::architecture_for(int capability) const {
  int count = 0;
  check(functions_.num_supported_archs(&count), "asking for architectures");
  std::vector<int> known(static_cast<size_t>(count));
  check(functions_.supported_archs(known.data()), "asking for architectures");
  int newest = 0;
  for (const int architecture : known) {
    if (architecture == capability) return "sm_" + std::to_string(capability);
    if (architecture < capability) newest = std::max(newest, architecture);
  }
  if (newest == 0) {
    throw std::runtime_error("NVRTC " + version_ + " does not compile for compute capability " +
                             std::to_string(capability / 10) + "." + std::to_string(capability % 10));
  }
  return "compute_" + std::to_string(newest);
}

std::vector<std::string> Nvrtc::options(const std::string& architecture) {
  return {"--std=c++17", "--gpu-architecture=" + architecture};
}

CompiledSource Nvrtc::compile(const SourceFile& source, const std::vector<SourceFile>& headers,
                              const std::vector<std::string>& names, const std::string& architecture) const {
  std::vector<const char*> header_names, header_texts;
  for (const SourceFile& header : headers) {
    header_names.push_back(header.name.c_str());
    header_texts.push_back(header.text.c_str());
  }
  void* program = nullptr;
  check(functions_.create_program(&program, source.text.c_str(), source.name.c_str(), static_cast<int>(headers.size()),
                                  header_texts.data(), header_names.data()),
        "taking a source");
  const auto destroy = [this](void** held) { functions_.destroy_program(held); };
  const std::unique_ptr<void*, decltype(destroy)> owner(&program, destroy);
  for (const std::string& name : names) check(functions_.add_name_expression(program, name.c_str()), name.c_str());
  std::vector<const char*> given;
  const std::vector<std::string> all = options(architecture);
  for (const std::string& option : all) given.push_back(option.c_str());
  if (functions_.compile_program(program, static_cast<int>(given.size()), given.data()) != 0) {
    size_t size = 0;
    std::string log;
    if (functions_.log_size(program, &size) == 0 && size > 1) {
      log.resize(size);
      functions_.log(program, log.data());
      log.resize(size - 1);
    }
    throw std::runtime_error("NVRTC " + version_ + " does not compile " + source.name + " for " + architecture + ": " + log);
  }
  CompiledSource compiled;
  size_t size = 0;
  const bool is_ptx = architecture.rfind("compute_", 0) == 0;
  check((is_ptx ? functions_.ptx_size : functions_.cubin_size)(program, &size), "giving the size of its result");
  compiled.image.resize(size);
  check((is_ptx ? functions_.ptx : functions_.cubin)(program, compiled.image.data()), "giving its result");
  for (const std::string& name : names) {
    const char* lowered = nullptr;
    check(functions_.lowered_name(program, name.c_str(), &lowered), name.c_str());
    compiled.symbols.push_back(lowered);
  }
  return compiled;
}

}  // namespace permafrost
