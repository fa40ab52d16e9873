// A block of threads as fibers of one thread of the host, and where they meet.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "test/emulator/memory.h"

namespace permafrost::emulator {

// What a kernel did wrong: which kernel, block and thread, and what.
class KernelFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Size3 {
  unsigned x = 1, y = 1, z = 1;
};

// Where a thread meets others; call sites that differ are a divergence.
struct Site {
  const char* file = "";
  int line = 0;
};

// Runs `body` in each thread of each block, one block after another. Throws KernelFault.
void run_blocks(const std::string& kernel, Size3 grid, unsigned block, size_t shared_bytes,
                const std::function<void()>& body);

// For the thread that runs now.
const Size3& thread_index();
const Size3& block_index();
const Size3& block_size();
const Size3& grid_size();
// Of the block, from a byte on.
struct SharedBytes {
  Region* region;
  char* begin;
  size_t bytes;
};
SharedBytes shared_bytes(size_t offset);
[[noreturn]] void fault(const std::string& message);

// Waits for all threads of the block.
void block_barrier(Site site);
// Waits for all lanes of the mask; the last one to come calls `action` with the payload of each lane, null where the mask
// has none. `action` also says which kind of meeting it is.
using Action = void (*)(void* const (&payloads)[32]);
void warp_meeting(uint32_t mask, Action action, void* payload, Site site);
void warp_barrier(uint32_t mask, Site site);

// Copies that are under way until they are waited for.
void cp_async(Pointer<char> to, Pointer<const char> from, size_t bytes);
void cp_async_commit();
void cp_async_wait(int left);

void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Site site);
void ldmatrix_rows(unsigned* registers, int matrices, const Pointer<const uint16_t>& row, bool transposed, Site site);

template <typename T>
void ldmatrix(unsigned* registers, int matrices, const Pointer<const T>& row, bool transposed, Site site) {
  static_assert(sizeof(T) == 2);
  ldmatrix_rows(registers, matrices, row.template as<const uint16_t>(), transposed, site);
}

template <typename T>
Pointer<T> shared_memory(size_t offset) {
  const SharedBytes memory = shared_bytes(offset);
  return Pointer<T>(memory.region, memory.begin, memory.bytes);
}

// Elements at an address that came as a number; watched by its bounds alone.
template <typename T>
Pointer<T> pointer_at(unsigned long long address, long long elements) {
  void* begin = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  return Pointer<T>(nullptr, begin, static_cast<size_t>(elements) * sizeof(T));
}

template <typename T>
struct Shuffle {
  T value;
  int source;  // a lane, or -1: its own
  T result;
};

template <typename T>
void shuffle_action(void* const (&payloads)[32]) {
  for (int lane = 0; lane < 32; ++lane) {
    if (payloads[lane] == nullptr) continue;
    auto* own = static_cast<Shuffle<T>*>(payloads[lane]);
    const int source = own->source < 0 ? lane : own->source;
    if (payloads[source] == nullptr) fault("a shuffle reads lane " + std::to_string(source) + ", which the mask lacks");
    own->result = static_cast<Shuffle<T>*>(payloads[source])->value;
  }
}

template <typename T>
T shuffle(uint32_t mask, const T& value, int source, Site site) {
  Shuffle<T> payload{value, source, value};
  warp_meeting(mask, shuffle_action<T>, &payload, site);
  return payload.result;
}

}  // namespace permafrost::emulator
