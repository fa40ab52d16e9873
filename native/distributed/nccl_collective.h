// Ranks with a card each: tensors of cards go by NCCL, all else by the host's connections.
#pragma once

#include <memory>
#include <optional>

#include "distributed/host_collective.h"
#include "distributed/nccl.h"

namespace permafrost {

// Where NCCL works on a card: a stream beside the caller's.
class CardStream {
 public:
  explicit CardStream(at::Device device);
  // Null for tensors in memory, as a stand-in for NCCL takes them.
  NcclStream handle() const { return handle_; }
  // Lets what comes on this stream wait for what the calling thread's present stream has been given.
  void follow_caller();
  // Waits on the host until the stream is done, calling `turn` meanwhile.
  void wait(const std::function<void()>& turn) const;

 private:
  at::Device device_;
  std::optional<c10::Stream> stream_;
  NcclStream handle_ = nullptr;
};

// NCCL adds in an order of its own, which is one for a number of ranks and a topology, but not the tree of PartialSum:
// each rank adds up its partial sums in the order of their leaves, and NCCL those of the ranks. So the sum has the same
// bits on every rank, but not those of another number of ranks.
class NcclCollective : public Collective {
 public:
  // All ranks make it at the same time. Throws DEVICE_UNAVAILABLE where there is no NCCL.
  NcclCollective(std::shared_ptr<HostCollective> host, at::Device device);
  ~NcclCollective() override;

  using Collective::sum;
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  // Begins when the calling thread's present stream has come to the call, and returns when the sum is there.
  void sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& sums) override;
  std::vector<Bytes> gather(const Bytes& bytes) override { return host_->gather(bytes); }
  void broadcast(const std::vector<at::Tensor>& tensors, int from) override;
  // Those of NCCL as a ring sends them.
  int64_t bytes_sent() const override { return host_->bytes_sent() + bytes_sent_; }

 private:
  // Runs NCCL calls as one group, and waits for them or for a rank to fail.
  void run(const char* doing, const std::function<void(NcclStream)>& calls);
  bool is_on_card(const at::Tensor& tensor) const { return tensor.device() == device_; }

  const std::shared_ptr<HostCollective> host_;
  const at::Device device_;
  const Nccl& nccl_;
  CardStream stream_;
  NcclComm comm_ = nullptr;
  std::atomic<int64_t> bytes_sent_{0};
};

}  // namespace permafrost
