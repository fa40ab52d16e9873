// What ranks tell one another of a step beside its gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "distributed/collective.h"

namespace permafrost {

// One share of a batch.
struct ShareFacts {
  int64_t labelled = 0;
  int64_t tokens = 0;
  double weight = 0;  // of the labelled tokens, over which the loss is the mean
};

// Before a step.
struct Announcement {
  // Of the shares from number `first` on.
  std::vector<ShareFacts> shares;
  int64_t first = 0;
  int64_t longest = 0;  // tokens of the longest sequence
  uint32_t flags = 0;   // small things that a rank would have all others know
  // Rows of the table of words that the shares look up, ascending; none where it does not learn by rows.
  std::vector<int32_t> rows;
};

// Those of all ranks as one, the same on every rank. Throws INVALID_BATCH, on every rank, where their shares are not
// `leaves` in all, one behind another by rank.
Announcement announce(Collective& collective, const Announcement& own, int64_t leaves);

// Numbers of all ranks, those of one behind those of another.
std::vector<double> gather_numbers(Collective& collective, const std::vector<double>& own);

// The union of ascending numbers.
void unite(std::vector<int32_t>& rows, const std::vector<int32_t>& others);

}  // namespace permafrost
