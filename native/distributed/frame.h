// The frames in which ranks send each other bytes.
#pragma once

#include <cstdint>

#include "core/error.h"

namespace permafrost {

enum class FrameKind : uint32_t {
  // On the connection for data: what a rank has to sum, a piece of its part, a piece of the sum, bytes, tensors.
  sum = 1,
  part,
  total,
  gather,
  broadcast,
  // On the connection for control.
  alive = 16,
  failure,
  leaving
};

// Stands before the bytes of every frame; numbers are little-endian, as on every machine that libtorch runs on.
struct FrameHeader {
  static constexpr uint32_t kMagic = 0x31524650;  // "PFR1"

  uint32_t magic = kMagic;
  FrameKind kind = FrameKind::alive;
  uint64_t sequence = 0;  // number of the exchange
  uint64_t index = 0;     // of a piece; otherwise as its kind says
  uint64_t length = 0;    // bytes that follow
  uint64_t checksum = 0;

  // FNV-1a of all that stands before it.
  uint64_t expected_checksum() const {
    uint64_t hash = 0xcbf29ce484222325u;
    const auto* bytes = reinterpret_cast<const uint8_t*>(this);
    for (const uint8_t* byte = bytes; byte < reinterpret_cast<const uint8_t*>(&checksum); ++byte) {
      hash = (hash ^ *byte) * 0x100000001b3u;
    }
    return hash;
  }
  bool is_sound() const { return magic == kMagic && checksum == expected_checksum(); }
};
static_assert(sizeof(FrameHeader) == 40);

inline FrameHeader sealed(FrameKind kind, uint64_t sequence, uint64_t index, uint64_t length) {
  FrameHeader header;
  header.kind = kind;
  header.sequence = sequence;
  header.index = index;
  header.length = length;
  header.checksum = header.expected_checksum();
  return header;
}

}  // namespace permafrost
