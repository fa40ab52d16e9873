#include "distributed/group.h"

#include <algorithm>

#include "core/error.h"
#include "distributed/nccl_collective.h"

namespace permafrost {

Group join_group(const MeetingOptions& options) {
  check(options.timeout > 0 && options.first_timeout > 0, ErrorCode::INVALID_OPTION,
        "`timeoutSeconds`: expected a number above 0, got ", std::min(options.timeout, options.first_timeout), ".");
  Group group;
  group.host = std::make_shared<HostCollective>(meet(options), options.first_timeout, options.timeout);
  group.collective = group.host;
  if (options.device.rfind("cuda", 0) != 0 || options.size == 1) return group;
  try {
    const at::Device device(options.device);
    group.collective = std::make_shared<NcclCollective>(group.host, device.has_index() ? device : at::Device(device.type(), 0));
  } catch (const std::exception& error) {
    group.host->watch().give_up(describe(group.host->members()[static_cast<size_t>(options.rank)]) +
                                " cannot join the others on its card: " + error.what());
    throw;
  }
  return group;
}

}  // namespace permafrost
