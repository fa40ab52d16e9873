#include "core/blas.h"

#include <dlfcn.h>

#include "core/libtorch.h"

namespace permafrost {

std::string file_of(const void* symbol) {
  Dl_info info{};
  return symbol != nullptr && dladdr(symbol, &info) != 0 ? info.dli_fname : "";
}

void* dependency_symbol(const char* name) {
  // Null stands for the program itself, as where this code is linked into one.
  void* own = dlopen(file_of(reinterpret_cast<const void*>(&file_of)).c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (own == nullptr) own = dlopen(nullptr, RTLD_LAZY);
  if (own == nullptr) return nullptr;
  void* symbol = dlsym(own, name);
  dlclose(own);
  return symbol;
}

std::string blas_name() {
  if (dependency_symbol("openblas_get_parallel") != nullptr) return "OpenBLAS";
  if (at::hasMKL()) return "MKL";
  return dependency_symbol("sgemm_") != nullptr ? "BLAS" : "";
}

OpenBlasThreads openblas_threads() {
  const auto parallel = reinterpret_cast<int (*)()>(dependency_symbol("openblas_get_parallel"));
  if (parallel == nullptr) return OpenBlasThreads::none;
  switch (parallel()) {
    case 1:
      return OpenBlasThreads::own;
    case 2:
      return OpenBlasThreads::openmp;
    default:
      return OpenBlasThreads::sequential;
  }
}

void set_compute_threads(int count) {
  at::set_num_threads(count);
  if (openblas_threads() != OpenBlasThreads::own) return;
  const auto set = reinterpret_cast<void (*)(int)>(dependency_symbol("openblas_set_num_threads"));
  if (set != nullptr) set(count);
}

void make_compute_threads() { at::set_num_threads(at::get_num_threads()); }

}  // namespace permafrost
