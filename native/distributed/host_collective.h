// The ranks of a mesh as a collective, of tensors in memory.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "distributed/collective.h"
#include "distributed/exchange.h"
#include "distributed/mesh.h"
#include "distributed/watch.h"

namespace permafrost {

// Over sockets of our own rather than c10d's ProcessGroupGloo: libtorch's wheels come without gloo's headers, its sums
// have no order that is the same for every number of ranks, and a rank that dies ends it without a name. One way serves
// every libtorch, and it has nothing of it but the store.
class HostCollective : public Collective {
 public:
  // `first_timeout` holds for the first exchange, in which ranks may still load what they train.
  HostCollective(Mesh mesh, double first_timeout, double timeout);

  using Collective::sum;
  int rank() const override { return mesh_.rank; }
  int size() const override { return static_cast<int>(mesh_.members.size()); }
  void sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& sums) override;
  std::vector<Bytes> gather(const Bytes& bytes) override;
  void broadcast(const std::vector<at::Tensor>& tensors, int from) override;
  int64_t bytes_sent() const override { return bytes_sent_; }

  const std::vector<Member>& members() const { return mesh_.members; }
  Watch& watch() { return watch_; }
  // Seconds that the exchange under way may wait.
  double timeout() const { return exchanges_ > 1 ? timeout_ : first_timeout_; }
  // Ends this rank's part; others that wait for it fail. Later calls throw DISPOSED.
  void leave(const std::string& reason) { watch_.leave(reason); }
  // Numbers of exchanges, also those by other ways than these connections: each has one, the same on all ranks, and throws
  // what was the first failure; to be completed when this rank has done its part.
  uint64_t begin_exchange();
  void complete_exchange(uint64_t sequence) { watch_.complete(sequence); }

 private:
  void run(const char* doing, const std::function<void(uint64_t sequence, Exchange& exchange)>& body);

  const Mesh mesh_;
  const double first_timeout_, timeout_;
  Watch watch_;
  std::mutex mutex_;
  std::atomic<uint64_t> exchanges_{0};
  std::atomic<int64_t> bytes_sent_{0};
};

}  // namespace permafrost
