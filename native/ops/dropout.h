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

  bool on() const { return probability > 0; }
  float scale() const { return static_cast<float>(1.0 / (1.0 - probability)); }
  // An element is dropped where its random word is below this.
  uint32_t threshold() const { return static_cast<uint32_t>(probability * 4294967296.0); }
};

// A row of the mask is drawn in groups of 64 columns: 16 counters of four words each, word w of counter
// l belonging to column 16 w + l of the group, so that vector code stores whole registers.
constexpr int64_t kMaskGroup = 64;

inline uint32_t mask_word(const Dropout& dropout, uint32_t row, int64_t column) {
  const int64_t within = column % kMaskGroup;
  PhiloxCounter counter = {{static_cast<uint32_t>(column / kMaskGroup * 16 + within % 16), row, dropout.site,
                            dropout.pass}};
  philox4x32(counter, static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32));
  return counter.word[within / 16];
}

// What the element is multiplied by: 0, or 1 / (1 - probability).
inline float mask_factor(const Dropout& dropout, uint32_t row, int64_t column) {
  return mask_word(dropout, row, column) < dropout.threshold() ? 0.0f : dropout.scale();
}

}  // namespace permafrost
