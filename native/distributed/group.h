// A rank's place among those that train together: it meets them, and holds what they meet in.
#pragma once

#include <memory>

#include "distributed/collective.h"
#include "distributed/host_collective.h"
#include "distributed/mesh.h"

namespace permafrost {

struct Group {
  // What it stands on: members, leaving.
  std::shared_ptr<HostCollective> host;
  // Where tensors of the ranks' devices meet.
  std::shared_ptr<Collective> collective;
};

// Blocks until all ranks are there. Throws as `meet` does, and DEVICE_UNAVAILABLE.
Group join_group(const MeetingOptions& options);

}  // namespace permafrost
