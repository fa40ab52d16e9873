// NCCL's C functions, taken from the library that libtorch brings; neither its headers nor CUDA's are needed.
#pragma once

#include <cstddef>
#include <string>

namespace permafrost {

// Types and numbers as nccl.h has had them since NCCL 2.0.
struct NcclUniqueId {
  char bytes[128];
};
using NcclComm = void*;
using NcclStream = void*;  // a cudaStream_t
enum NcclType : int { kNcclUint8 = 1, kNcclInt64 = 4, kNcclFloat = 7, kNcclDouble = 8 };
constexpr int kNcclSum = 0;
constexpr int kNcclSuccess = 0;

struct Nccl {
  int (*get_unique_id)(NcclUniqueId*);
  int (*comm_init_rank)(NcclComm*, int size, NcclUniqueId, int rank);
  int (*comm_destroy)(NcclComm);
  int (*comm_abort)(NcclComm);
  int (*comm_get_async_error)(NcclComm, int* error);
  int (*all_reduce)(const void* from, void* to, size_t count, int type, int op, NcclComm, NcclStream);
  int (*broadcast)(const void* from, void* to, size_t count, int type, int root, NcclComm, NcclStream);
  int (*group_start)();
  int (*group_end)();
  const char* (*get_error_string)(int);

  // Throws INTERNAL with NCCL's words where a call did not succeed.
  void check(int result, const char* what) const;
};

// Looks in the library named by PERMAFROST_NCCL, else in `libnccl.so.2` and libtorch_cuda as libtorch has loaded them,
// else in the system's libnccl. Throws DEVICE_UNAVAILABLE where there is none.
const Nccl& nccl();

}  // namespace permafrost
