#include "distributed/nccl.h"

#include <dlfcn.h>

#include <cstdlib>

#include "core/error.h"

namespace permafrost {

namespace {

template <typename Function>
bool take(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool take_all(void* library, Nccl& nccl) {
  return library != nullptr && take(library, "ncclGetUniqueId", nccl.get_unique_id) &&
         take(library, "ncclCommInitRank", nccl.comm_init_rank) && take(library, "ncclCommDestroy", nccl.comm_destroy) &&
         take(library, "ncclCommAbort", nccl.comm_abort) &&
         take(library, "ncclCommGetAsyncError", nccl.comm_get_async_error) &&
         take(library, "ncclAllReduce", nccl.all_reduce) && take(library, "ncclBroadcast", nccl.broadcast) &&
         take(library, "ncclGroupStart", nccl.group_start) && take(library, "ncclGroupEnd", nccl.group_end) &&
         take(library, "ncclGetErrorString", nccl.get_error_string);
}

Nccl find_nccl() {
  Nccl found{};
  if (const char* named = std::getenv("PERMAFROST_NCCL")) {
    permafrost::check(take_all(dlopen(named, RTLD_NOW), found), ErrorCode::DEVICE_UNAVAILABLE, "PERMAFROST_NCCL names ", named,
                      ", which is no NCCL library.");
    return found;
  }
  for (const char* loaded : {"libnccl.so.2", "libtorch_cuda.so"}) {
    if (take_all(dlopen(loaded, RTLD_NOW | RTLD_NOLOAD), found)) return found;
  }
  permafrost::check(take_all(dlopen("libnccl.so.2", RTLD_NOW), found), ErrorCode::DEVICE_UNAVAILABLE,
                    "Ranks on cards sum by NCCL, which neither libtorch nor the system has here: install libnccl2, or name "
                    "its library in PERMAFROST_NCCL.");
  return found;
}

}  // namespace

void Nccl::check(int result, const char* what) const {
  permafrost::check(result == kNcclSuccess, ErrorCode::INTERNAL, "NCCL: ", what, ": ", get_error_string(result), ".");
}

const Nccl& nccl() {
  static const Nccl found = find_nccl();
  return found;
}

}  // namespace permafrost
