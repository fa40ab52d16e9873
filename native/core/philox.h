// Philox4x32, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011): the same counter and key give the same bits on any thread, in any order.
// Seven rounds are the fewest that pass BigCrush (section 5.2); ten are the authors' default.
#pragma once

#include <cstdint>

namespace permafrost {

struct PhiloxCounter {
  uint32_t word[4];
};

template <int kRounds = 10>
static inline void philox4x32(PhiloxCounter& counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

}  // namespace permafrost
