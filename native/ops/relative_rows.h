// Which row of the embeddings of distances belongs to a query and a key.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace permafrost {

// The rows that the distances within sequences of up to `longest` tokens fall on. They lie side by side, so that
// nothing has to be computed for the rest of the table.
struct RelativeRows {
  RelativeRows(const RelativeAttention& config, int64_t longest);

  // Row, counted from the first in use, of query i and key j: of_distance[longest - 1 + i - j]; ascending.
  std::vector<int32_t> of_distance;
  int64_t longest;
  // First row in use, and their number.
  int64_t first;
  int64_t count;
  bool content_to_position;
  bool position_to_content;

  int num_terms() const { return 1 + content_to_position + position_to_content; }
};

// The bucket of a distance: small ones have their own, larger ones share them logarithmically.
int64_t relative_bucket(const RelativeAttention& config, int64_t distance);

}  // namespace permafrost
