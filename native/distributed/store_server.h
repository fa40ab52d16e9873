// The store that ranks meet by, where one of them makes it: c10d's TCPStore.
#pragma once

#include <string>

#include "distributed/socket.h"

namespace permafrost {

// Serves the store from this process, from now on until its end: ranks that meet anew, for another training, find it
// there. It listens at the address of the host alone, or at all of this machine where that is not one of its own, such
// as the name of a cluster's service. Throws INVALID_OPTION where it cannot.
void serve_store(const std::string& host, int port, Deadline deadline);

}  // namespace permafrost
