// A stand-in for NCCL: its C functions for tensors in memory, over shared memory between threads or processes.
//
// As NCCL does, it matches the calls of the ranks by their order alone. Unlike NCCL, it says so where they do not match,
// and where a call came outside of a group.
#include "distributed/nccl.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

using permafrost::NcclComm;
using permafrost::NcclStream;
using permafrost::NcclUniqueId;

namespace {

constexpr int kMostRanks = 8;
constexpr size_t kSlot = 64 << 10;
constexpr int kMismatch = 5;  // ncclInvalidUsage

struct Call {
  int kind = 0;  // 0 all-reduce, 1 broadcast
  size_t count = 0;
  int type = 0, root = 0;
  bool operator==(const Call& other) const {
    return kind == other.kind && count == other.count && type == other.type && root == other.root;
  }
};

struct Shared {
  std::atomic<int> joined, arrived, turn, aborted;
  Call calls[kMostRanks];
  char slots[kMostRanks][kSlot];
};

struct Comm {
  Shared* shared = nullptr;
  int rank = 0, size = 1;
  std::string name;
};

struct Queued {
  Comm* comm;
  Call call;
  const void* from;
  void* to;
};

thread_local bool in_group = false;
thread_local std::vector<Queued> queued;

bool meet(Comm& comm) {
  Shared& shared = *comm.shared;
  const int turn = shared.turn;
  if (++shared.arrived == comm.size) {
    shared.arrived = 0;
    ++shared.turn;
    return shared.aborted == 0;
  }
  while (shared.turn == turn) {
    if (shared.aborted != 0) return false;
    std::this_thread::yield();
  }
  return shared.aborted == 0;
}

template <typename T>
void add_all(const Comm& comm, void* to, size_t elements) {
  T* const sums = static_cast<T*>(to);
  for (size_t i = 0; i < elements; ++i) {
    T sum = reinterpret_cast<const T*>(comm.shared->slots[0])[i];
    for (int rank = 1; rank < comm.size; ++rank) sum += reinterpret_cast<const T*>(comm.shared->slots[rank])[i];
    sums[i] = sum;
  }
}

size_t width(int type) { return type == permafrost::kNcclUint8 ? 1 : type == permafrost::kNcclFloat ? 4 : 8; }

int run(const Queued& queued) {
  Comm& comm = *queued.comm;
  comm.shared->calls[comm.rank] = queued.call;
  if (!meet(comm)) return 1;
  for (int rank = 0; rank < comm.size; ++rank) {
    if (!(comm.shared->calls[rank] == queued.call)) return kMismatch;
  }
  const size_t bytes = queued.call.count * width(queued.call.type);
  for (size_t at = 0; at < bytes || at == 0; at += kSlot) {
    const size_t now = std::min(kSlot, bytes - at);
    std::memcpy(comm.shared->slots[comm.rank], static_cast<const char*>(queued.from) + at, now);
    if (!meet(comm)) return 1;
    char* const to = static_cast<char*>(queued.to) + at;
    if (queued.call.kind == 1) {
      std::memcpy(to, comm.shared->slots[queued.call.root], now);
    } else if (queued.call.type == permafrost::kNcclFloat) {
      add_all<float>(comm, to, now / sizeof(float));
    } else if (queued.call.type == permafrost::kNcclDouble) {
      add_all<double>(comm, to, now / sizeof(double));
    } else {
      add_all<int64_t>(comm, to, now / sizeof(int64_t));
    }
    if (!meet(comm)) return 1;
  }
  return 0;
}

int enqueue(NcclComm comm, const Call& call, const void* from, void* to) {
  if (!in_group) return kMismatch;
  queued.push_back({static_cast<Comm*>(comm), call, from, to});
  return 0;
}

// Not the exported function: where libtorch brings the true NCCL, that name may lead to it.
int destroy(NcclComm comm) {
  munmap(static_cast<Comm*>(comm)->shared, sizeof(Shared));
  delete static_cast<Comm*>(comm);
  return 0;
}

}  // namespace

extern "C" {

int ncclGetUniqueId(NcclUniqueId* id) {
  static std::atomic<int> number{0};
  *id = {};
  std::snprintf(id->bytes, sizeof id->bytes, "/permafrost-fake-nccl-%d-%d", static_cast<int>(getpid()), ++number);
  const int fd = shm_open(id->bytes, O_CREAT | O_EXCL | O_RDWR, 0600);
  if (fd < 0) return 1;
  const int result = ftruncate(fd, sizeof(Shared));
  close(fd);
  return result == 0 ? 0 : 1;
}

int ncclCommInitRank(NcclComm* comm, int size, NcclUniqueId id, int rank) {
  const int fd = shm_open(id.bytes, O_RDWR, 0600);
  if (fd < 0 || size > kMostRanks) return 1;
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) return 1;
  auto* const made = new Comm{static_cast<Shared*>(memory), rank, size, id.bytes};
  if (!meet(*made)) return 1;
  if (rank == 0) shm_unlink(id.bytes);
  *comm = made;
  return 0;
}

int ncclCommDestroy(NcclComm comm) { return destroy(comm); }

int ncclCommAbort(NcclComm comm) {
  static_cast<Comm*>(comm)->shared->aborted = 1;
  return destroy(comm);
}

int ncclCommGetAsyncError(NcclComm, int* error) {
  *error = 0;
  return 0;
}

int ncclAllReduce(const void* from, void* to, size_t count, int type, int, NcclComm comm, NcclStream) {
  return enqueue(comm, {0, count, type, 0}, from, to);
}

int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, NcclComm comm, NcclStream) {
  return enqueue(comm, {1, count, type, root}, from, to);
}

int ncclGroupStart() {
  in_group = true;
  return 0;
}

int ncclGroupEnd() {
  in_group = false;
  std::vector<Queued> now;
  now.swap(queued);
  for (const Queued& one : now) {
    if (const int result = run(one)) return result;
  }
  return 0;
}

const char* ncclGetErrorString(int result) { return result == kMismatch ? "calls of ranks do not match" : "aborted"; }

}  // extern "C"
