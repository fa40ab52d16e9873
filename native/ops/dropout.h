// Dropout whose mask is a function of position: no state, no stored mask, the same bits on any number
// of threads, and the same ones again on the way back.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace permafrost {

// One place in the network in one forward pass.
struct Dropout {
  double probability = 0;
  uint64_t seed = 0;
  // Number of the forward pass since the trainer was made.
  uint32_t pass = 0;
  // Number of the place: see dropout_site.
  uint32_t site = 0;
  // Numbers of the rows of the mask, on the host; null: 0, 1, 2, ... In attention those of the tokens: head h of a
  // sequence has the row of its first token times the heads plus h.
  const int32_t* rows = nullptr;
  // What a kernel of a card reads instead, on the device, as a recorded step has the same arguments each time: the number
  // of the pass (null: `pass`), and `rows`.
  const uint32_t* device_pass = nullptr;
  const int32_t* device_rows = nullptr;

  bool on() const { return probability > 0; }
  // An element is dropped where its 16 random bits are below this.
  uint32_t threshold() const { return static_cast<uint32_t>(probability * 65536.0 + 0.5); }
  uint32_t row(int64_t index) const { return static_cast<uint32_t>(rows == nullptr ? index : rows[index]); }
  // Of what is kept: 1 / (1 - p) for the p that 16 bits allow, so that the mean stays.
  float scale() const { return 65536.0f / static_cast<float>(65536 - threshold()); }
};

// A row of the mask is drawn in groups of 128 columns: 16 counters of four words of two halves each. Half h of
// word w of counter l belongs to column 32 w + 16 h + l of the group, so that vector code stores whole registers.
constexpr int64_t kMaskGroup = 128;
constexpr int kMaskRounds = 7;

// 16 random bits.
inline uint32_t mask_bits(const Dropout& dropout, uint32_t row, int64_t column) {
  const int64_t within = column % kMaskGroup;
  PhiloxCounter counter = {{static_cast<uint32_t>(column / kMaskGroup * 16 + within % 16), row, dropout.site,
                            dropout.pass}};
  philox4x32<kMaskRounds>(counter, static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32));
  return counter.word[within / 32] >> (within / 16 % 2 * 16) & 0xffff;
}

// What the element is multiplied by: 0, or the scale.
inline float mask_factor(const Dropout& dropout, uint32_t row, int64_t column) {
  return mask_bits(dropout, row, column) < dropout.threshold() ? 0.0f : dropout.scale();
}

}  // namespace permafrost
