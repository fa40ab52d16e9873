#include "core/memory_error.h"

#include <cstring>
#include <new>

#include "core/error.h"
#include "core/libtorch.h"

namespace permafrost {

namespace {

constexpr const char* kWords[] = {
    "out of memory",          // the driver and libtorch's allocators
    "can't allocate memory",  // libtorch on a CPU
    "not enough memory",
    "OUT_OF_MEMORY",  // CUDA_ERROR_OUT_OF_MEMORY
    "STATUS_ALLOC_FAILED",           // cuBLAS, cuBLASLt, cuDNN
    "CUBLAS_STATUS_NOT_INITIALIZED"  // cublasCreate without room for a handle
};

}  // namespace

bool is_out_of_memory(const std::exception& error) {
  if (const auto* known = dynamic_cast<const Error*>(&error)) return known->code() == ErrorCode::OUT_OF_MEMORY;
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const auto* libtorch = dynamic_cast<const c10::Error*>(&error);
  const char* message = libtorch != nullptr ? libtorch->what_without_backtrace() : error.what();
  for (const char* words : kWords) {
    if (std::strstr(message, words) != nullptr) return true;
  }
  return false;
}

}  // namespace permafrost
