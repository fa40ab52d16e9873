// NVRTC, NVIDIA's compiler as a library: taken from what libtorch brings, without CUDA's headers.
#pragma once

#include <string>
#include <vector>

namespace permafrost {

struct SourceFile {
  std::string name;  // as others include it
  std::string text;
};

struct CompiledSource {
  std::string image;                 // what the driver loads: a cubin, or PTX
  std::vector<std::string> symbols;  // of the names that were asked for, in their order
};

class Nvrtc {
 public:
  // Looks in the library named by PERMAFROST_NVRTC, else in that which libtorch brings, else in the system's. Throws
  // std::runtime_error where there is none.
  static const Nvrtc& find();
  explicit Nvrtc(const std::string& path);

  // Such as "13.0".
  const std::string& version() const { return version_; }
  // What to compile for on a card of this compute capability, 10 * major + minor: "sm_90", or where this NVRTC is older
  // than the card the newest PTX that it writes, "compute_120". Throws std::runtime_error where it knows neither.
  std::string architecture_for(int capability) const;

  // Compiles one file with what it includes. Throws std::runtime_error with the compiler's words.
  CompiledSource compile(const SourceFile& source, const std::vector<SourceFile>& headers,
                         const std::vector<std::string>& names, const std::string& architecture) const;
  // The options that `compile` gives; what it makes depends on them.
  static std::vector<std::string> options(const std::string& architecture);

 private:
  struct Functions {
    int (*version)(int*, int*);
    int (*num_supported_archs)(int*);
    int (*supported_archs)(int*);
    int (*create_program)(void**, const char*, const char*, int, const char* const*, const char* const*);
    int (*destroy_program)(void**);
    int (*add_name_expression)(void*, const char*);
    int (*compile_program)(void*, int, const char* const*);
    int (*log_size)(void*, size_t*);
    int (*log)(void*, char*);
    int (*cubin_size)(void*, size_t*);
    int (*cubin)(void*, char*);
    int (*ptx_size)(void*, size_t*);
    int (*ptx)(void*, char*);
    int (*lowered_name)(void*, const char*, const char**);
    const char* (*error_string)(int);
  };

  Nvrtc() = default;
  bool take(void* library);
  void check(int result, const char* doing) const;

  Functions functions_{};
  std::string version_;
};

}  // namespace permafrost
