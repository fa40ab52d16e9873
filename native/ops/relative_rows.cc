#include "ops/relative_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace permafrost {

int64_t relative_bucket(const RelativeAttention& config, int64_t distance) {
  const int64_t middle = config.buckets / 2;
  const int64_t magnitude = std::abs(distance);
  if (config.buckets == 0 || magnitude <= middle) return distance;
  const double share = std::log(static_cast<double>(magnitude) / static_cast<double>(middle)) /
                       std::log(static_cast<double>(config.max_distance - 1) / static_cast<double>(middle));
  const auto bucket = static_cast<int64_t>(std::ceil(share * static_cast<double>(middle - 1))) + middle;
  return distance < 0 ? -bucket : bucket;
}

RelativeRows::RelativeRows(const RelativeAttention& config, int64_t longest)
    : longest(longest), content_to_position(config.content_to_position), position_to_content(config.position_to_content) {
  const int64_t span = config.span();
  for (int64_t distance = 1 - longest; distance < longest; ++distance) {
    const int64_t row = std::clamp<int64_t>(relative_bucket(config, distance) + span, 0, 2 * span - 1);
    of_distance.push_back(static_cast<int32_t>(row));
  }
  first = of_distance.front();
  count = of_distance.back() - first + 1;
  for (int32_t& row : of_distance) row -= static_cast<int32_t>(first);
}

}  // namespace permafrost
