// Connections of a rank with every other one, made by way of the store.
#pragma once

#include <string>
#include <vector>

#include "distributed/socket.h"
#include "distributed/store.h"

namespace permafrost {

// One of the processes that train together.
struct Member {
  int rank = 0;
  std::string host;
  int64_t pid = 0;
  std::string device;
};

// "rank 1 (host, process 123)", as messages name it.
std::string describe(const Member& member);

struct MeetingOptions {
  int rank = 0, size = 1;
  StoreAddress store;
  std::string prefix;  // of the keys in the store
  std::string bind;    // address to listen at; empty for the one by which the store is reached
  std::string secret;  // known to all ranks, beside the one that rank 0 puts into the store
  std::string device;
  double first_timeout = 600;  // seconds for all ranks to come, and for the first exchange
  double timeout = 120;        // seconds that a rank may be silent, or behind the others, afterwards
  bool is_local_allowed = true;  // whether ranks of one host use local sockets, which cost half of what TCP does
};

// Two connections with each other rank: what is summed and gathered goes by the first, signs of life and the news of
// failures by the second, which is always read.
struct Mesh {
  int rank = 0;
  std::vector<Member> members;           // by rank
  std::vector<Descriptor> data, control;  // by rank; none with itself
};

// Meets the other ranks: all of them make the same number of calls for one prefix.
//
// Whoever connects proves that it knows the secret, and so does who accepts, each by the HMAC of what the other made
// up. That keeps out processes of other users and hosts that reach a port. It hides nothing: what ranks send can be
// read, and changed, by whoever owns the network between them. Where `secret` is empty, reading the store is enough to
// join.
//
// Throws RANK_FAILED where a rank does not come or cannot be reached, RANKS_DIVERGED where they are of several
// versions or count themselves differently, INVALID_OPTION.
Mesh meet(const MeetingOptions& options);

}  // namespace permafrost
