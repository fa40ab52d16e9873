#include "test/emulator/block.h"

#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <sstream>

#include "test/emulator/fiber.h"
#include "test/emulator/running.h"

namespace permafrost::emulator {

namespace {

enum class Wait { nothing, block, warp };

struct Copy {
  Pointer<char> to;
  Pointer<const char> from;
  size_t bytes;
};

struct Thread {
  Fiber fiber;
  Size3 index;
  Wait wait = Wait::nothing;
  Site site;
  uint32_t mask = 0;
  Action action = nullptr;
  void* payload = nullptr;
  std::vector<Copy> copies;
  std::deque<std::vector<Copy>> committed;
};

struct Launch {
  std::string kernel;
  Size3 grid, size, index;
  unsigned number = 0;  // of the running thread
  std::vector<Thread*> threads;
  std::unique_ptr<Region> shared;
  Running running;
  std::vector<uint32_t> warp_epochs;
  std::exception_ptr failure;
};

thread_local Launch* launch = nullptr;

// Stacks are kept from launch to launch.
Thread& thread_of(unsigned number) {
  thread_local std::vector<std::unique_ptr<Thread>> threads;
  while (threads.size() <= number) threads.push_back(std::make_unique<Thread>());
  return *threads[number];
}

Thread& current() { return *launch->threads[launch->number]; }

std::string describe(const Site& site) {
  const std::string file = site.file;
  return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(site.line);
}

std::string describe(const Thread& thread) {
  if (thread.fiber.ended()) return "has ended";
  if (thread.wait == Wait::block) return "waits at __syncthreads (" + describe(thread.site) + ")";
  std::ostringstream text;
  text << "waits for the lanes of mask 0x" << std::hex << thread.mask << " (" << describe(thread.site) << ")";
  return text.str();
}

// Nobody can go on: some threads wait for others that do not come.
[[noreturn]] void report_divergence() {
  const Thread& first = *launch->threads[0];
  std::string message = "threads do not meet: thread 0 " + describe(first);
  for (size_t i = 1; i < launch->threads.size(); ++i) {
    if (describe(*launch->threads[i]) == describe(first)) continue;
    fault(message + ", thread " + std::to_string(i) + " " + describe(*launch->threads[i]));
  }
  fault(message + ", and so do all");
}

bool all_wait_at_one_barrier() {
  const Thread& first = *launch->threads[0];
  for (const Thread* thread : launch->threads) {
    if (thread->fiber.ended() || thread->wait != Wait::block || thread->site.line != first.site.line ||
        std::strcmp(thread->site.file, first.site.file) != 0) {
      return false;
    }
  }
  return true;
}

void begin_epoch() {
  ++launch->running.epoch;
  for (uint32_t& epoch : launch->warp_epochs) epoch = 0;
}

void run_block(const std::function<void()>& body) {
  begin_epoch();
  ++launch->running.block;
  for (Thread* thread : launch->threads) {
    thread->wait = Wait::nothing;
    thread->copies.clear();
    thread->committed.clear();
    thread->fiber.begin([&body] {
      try {
        body();
      } catch (...) {
        launch->failure = std::current_exception();
      }
    });
  }
  const auto count = static_cast<unsigned>(launch->threads.size());
  for (;;) {
    bool any_ran = false, all_ended = true;
    for (unsigned i = 0; i < count; ++i) {
      Thread& thread = *launch->threads[i];
      if (thread.fiber.ended()) continue;
      all_ended = false;
      if (thread.wait != Wait::nothing) continue;
      any_ran = true;
      launch->number = i;
      launch->running.thread = i;
      launch->running.warp_epoch = launch->warp_epochs[i / 32];
      thread.fiber.resume();
      if (launch->failure) std::rethrow_exception(launch->failure);
    }
    if (all_ended) return;
    if (any_ran) continue;
    launch->number = 0;
    if (!all_wait_at_one_barrier()) report_divergence();
    begin_epoch();
    for (Thread* thread : launch->threads) thread->wait = Wait::nothing;
  }
}

void pause() {
  Thread& thread = current();
  const unsigned number = launch->number;
  thread.fiber.pause();
  launch->number = number;
}

void land(std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    for (size_t i = 0; i < copy.bytes; i += 16) {
      struct alignas(16) Line {
        char bytes[16];
      };
      (copy.to + i).write((copy.from + i).read<Line>());
    }
  }
  copies.clear();
}

}  // namespace

const Running* running() { return launch == nullptr ? nullptr : &launch->running; }

const Size3& thread_index() { return current().index; }
const Size3& block_index() { return launch->index; }
const Size3& block_size() { return launch->size; }
const Size3& grid_size() { return launch->grid; }

void fault(const std::string& message) {
  if (launch == nullptr) throw KernelFault(message);
  const Size3& block = launch->index;
  std::string where = std::to_string(block.x);
  if (launch->grid.y > 1 || launch->grid.z > 1) {
    where = "(" + where + ", " + std::to_string(block.y) + ", " + std::to_string(block.z) + ")";
  }
  throw KernelFault("kernel " + launch->kernel + ", block " + where + ", thread " + std::to_string(launch->number) +
                    ": " + message);
}

SharedBytes shared_bytes(size_t offset) {
  Region& shared = *launch->shared;
  if (offset > shared.bytes) {
    fault("takes shared memory from byte " + std::to_string(offset) + " on, and the launch has " +
          std::to_string(shared.bytes));
  }
  return {&shared, shared.begin + offset, shared.bytes - offset};
}

void run_blocks(const std::string& kernel, Size3 grid, unsigned block, size_t shared_bytes,
                const std::function<void()>& body) {
  if (block == 0 || block > 1024 || block % 32 != 0) {
    throw KernelFault("kernel " + kernel + ": blocks of " + std::to_string(block) +
                      " threads; expected a multiple of 32 up to 1024");
  }
  if (shared_bytes > 227 * 1024) {
    throw KernelFault("kernel " + kernel + ": " + std::to_string(shared_bytes) +
                      " bytes of shared memory; no card has more than 232448 a block");
  }
  if (grid.y > 65535 || grid.z > 65535) {
    throw KernelFault("kernel " + kernel + ": a grid has at most 65535 blocks in its second and third dimension");
  }
  std::vector<char> memory(shared_bytes + 128);
  char* begin = memory.data() + (128 - reinterpret_cast<uintptr_t>(memory.data()) % 128) % 128;
  Launch own;
  own.kernel = kernel;
  own.grid = grid;
  own.size = {block, 1, 1};
  own.shared = std::make_unique<Region>("shared memory", begin, shared_bytes, true);
  own.warp_epochs.resize((block + 31) / 32);
  for (unsigned i = 0; i < block; ++i) {
    own.threads.push_back(&thread_of(i));
    own.threads.back()->index = {i, 0, 0};
  }
  struct Scope {
    Launch* before;
    ~Scope() { launch = before; }
  } scope{launch};
  launch = &own;
  for (own.index.z = 0; own.index.z < grid.z; ++own.index.z) {
    for (own.index.y = 0; own.index.y < grid.y; ++own.index.y) {
      for (own.index.x = 0; own.index.x < grid.x; ++own.index.x) {
        // What another block left must not look like something that this one wrote.
        std::memset(begin, 0xff, shared_bytes);
        run_block(body);
      }
    }
  }
}

void block_barrier(Site site) {
  Thread& thread = current();
  thread.wait = Wait::block;
  thread.site = site;
  pause();
}

void warp_meeting(uint32_t mask, Action action, void* payload, Site site) {
  Thread& own = current();
  const unsigned first = launch->number / 32 * 32;
  const unsigned lane = launch->number % 32;
  if ((mask >> lane & 1) == 0) fault("meets the lanes of a mask (" + describe(site) + ") that lacks its own");
  own.wait = Wait::warp;
  own.site = site;
  own.mask = mask;
  own.action = action;
  own.payload = payload;
  void* payloads[32] = {};
  bool all_there = true;
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    const Thread& other = *launch->threads[first + i];
    if (other.fiber.ended() || other.wait == Wait::nothing) {
      all_there = false;
      continue;
    }
    if (other.wait == Wait::block) {
      all_there = false;
      continue;
    }
    if (other.mask != mask || other.action != action || other.site.line != site.line ||
        std::strcmp(other.site.file, site.file) != 0) {
      fault("lanes do not meet: lane " + std::to_string(lane) + " " + describe(own) + ", lane " + std::to_string(i) +
            " " + describe(other));
    }
    payloads[i] = other.payload;
  }
  if (!all_there) {
    pause();
    return;
  }
  if (action != nullptr) action(payloads);
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) launch->threads[first + i]->wait = Wait::nothing;
  }
}

void warp_barrier(uint32_t mask, Site site) {
  // Counted by the last one to come. Where a part of the warp meets, what it wrote counts as not yet seen.
  static const Action count = [](void* const (&payloads)[32]) {
    for (const void* payload : payloads) {
      if (payload == nullptr) return;
    }
    ++launch->warp_epochs[launch->number / 32];
  };
  char present = 0;
  warp_meeting(mask, count, &present, site);
  launch->running.warp_epoch = launch->warp_epochs[launch->number / 32];
}

void cp_async(Pointer<char> to, Pointer<const char> from, size_t bytes) {
  current().copies.push_back({to, from, bytes});
}

void cp_async_commit() {
  Thread& thread = current();
  thread.committed.push_back(std::move(thread.copies));
  thread.copies.clear();
}

void cp_async_wait(int left) {
  Thread& thread = current();
  while (static_cast<int>(thread.committed.size()) > left) {
    land(thread.committed.front());
    thread.committed.pop_front();
  }
}

}  // namespace permafrost::emulator
