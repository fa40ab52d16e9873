#include "test/emulator/memory.h"

#include "test/emulator/block.h"
#include "test/emulator/running.h"

namespace permafrost::emulator {

namespace {

constexpr uint32_t kManyOfWarp = 1024;  // + the warp
constexpr uint32_t kMany = 1100;
constexpr uint32_t kManyBlocks = 0xffffff;

// Of the last access: block, barriers, and thread; several readers that nothing orders become `many`.
struct Stamp {
  uint32_t block, epoch, warp_epoch, thread;
  bool atomic;

  static Stamp of(uint64_t bits) {
    return {static_cast<uint32_t>(bits >> 40), static_cast<uint32_t>(bits >> 26 & 0x3fff),
            static_cast<uint32_t>(bits >> 12 & 0x3fff), static_cast<uint32_t>(bits & 0x7ff), (bits >> 11 & 1) != 0};
  }
  uint64_t bits() const {
    return uint64_t{block} << 40 | uint64_t{epoch & 0x3fff} << 26 | uint64_t{warp_epoch & 0x3fff} << 12 |
           uint64_t{atomic} << 11 | thread;
  }
  bool is_of_warp(uint32_t warp) const {
    return thread < kManyOfWarp ? thread / 32 == warp : thread == kManyOfWarp + warp;
  }
};

// Whether nothing orders the access of the stamp before one that happens now.
bool unordered(uint64_t bits, const Stamp& now, bool is_shared) {
  if (bits == 0) return false;
  const Stamp then = Stamp::of(bits);
  if (then.block != now.block) return !is_shared;
  if (then.epoch != now.epoch || then.thread == now.thread) return false;
  return !then.is_of_warp(now.thread / 32) || then.warp_epoch == now.warp_epoch;
}

uint64_t readers(uint64_t bits, const Stamp& now, bool is_shared) {
  if (bits == 0) return now.bits();
  Stamp then = Stamp::of(bits);
  if (then.block != now.block) {
    if (is_shared) return now.bits();
    then.block = kManyBlocks;
    return then.bits();
  }
  if (then.epoch != now.epoch || then.thread == now.thread) return now.bits();
  Stamp both = now;
  if (then.is_of_warp(now.thread / 32)) {
    if (then.warp_epoch == now.warp_epoch) both.thread = kManyOfWarp + now.thread / 32;
  } else {
    both.thread = kMany;
  }
  return both.bits();
}

std::string who(uint64_t bits, const Stamp& now) {
  const Stamp then = Stamp::of(bits);
  if (then.block == kManyBlocks) return "other blocks";
  if (then.block != now.block) return "another block";
  if (then.thread < kManyOfWarp) return "thread " + std::to_string(then.thread);
  return "other threads";
}

std::string name_of(const Region* region, const char* at) {
  if (region == nullptr) return "memory at an address";
  return region->name + " at byte " + std::to_string(at - region->begin);
}

}  // namespace

void access(const Region* region, const char* limit_begin, const char* limit_end, const char* at, size_t bytes,
            size_t alignment, Access kind) {
  const char* verb = kind == Access::read ? "reads" : "writes";
  if (limit_begin == nullptr) fault(std::string(verb) + " through a null pointer");
  if (at < limit_begin || at + bytes > limit_end) {
    fault(std::string(verb) + " " + (region == nullptr ? "memory at an address" : region->name) + " outside: bytes " +
          std::to_string(at - limit_begin) + " to " + std::to_string(at - limit_begin + static_cast<int64_t>(bytes)) +
          " of " + std::to_string(limit_end - limit_begin));
  }
  if (reinterpret_cast<uintptr_t>(at) % alignment != 0) {
    fault(std::string(verb) + " " + std::to_string(bytes) + " bytes that are not aligned: " + name_of(region, at));
  }
  const Running* own = running();
  if (region == nullptr || own == nullptr) return;
  const bool writes = kind != Access::read;
  const Stamp now{own->block, own->epoch & 0x3fff, own->warp_epoch & 0x3fff, own->thread, kind == Access::atomic};
  const auto begin = static_cast<size_t>(at - region->begin);
  for (size_t i = begin / 2; i < (begin + bytes + 1) / 2; ++i) {
    Cell& cell = const_cast<Region*>(region)->cells[i];
    if (region->is_shared && kind != Access::write && (cell.written == 0 || Stamp::of(cell.written).block != now.block)) {
      fault(std::string(verb) + " " + name_of(region, at) + ", which no thread of the block has written");
    }
    const bool both_atomic = kind == Access::atomic && Stamp::of(cell.written).atomic;
    if (!both_atomic && unordered(cell.written, now, region->is_shared)) {
      fault(std::string(verb) + " " + name_of(region, at) + ", which " + who(cell.written, now) +
            " wrote without a barrier between");
    }
    if (writes && !both_atomic && unordered(cell.read, now, region->is_shared)) {
      fault(std::string(verb) + " " + name_of(region, at) + ", which " + who(cell.read, now) +
            " read without a barrier between");
    }
    if (writes) {
      cell.written = now.bits();
    } else {
      cell.read = readers(cell.read, now, region->is_shared);
    }
  }
}

}  // namespace permafrost::emulator
