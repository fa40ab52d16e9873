#include "distributed/host_collective.h"

#include <algorithm>

#include "distributed/sum_traffic.h"

namespace permafrost {

namespace {

// Far more than ranks have to tell each other; a damaged length shall not take all memory.
constexpr uint64_t kMostGathered = uint64_t{1} << 36;

// Base of exchanges in which a rank sends at most one frame to each other one, and expects at most one.
class OneFrame : public Traffic {
 public:
  OneFrame(const Mesh& mesh, Watch& watch, FrameKind kind, uint64_t sequence)
      : mesh_(mesh), watch_(watch), kind_(kind), sequence_(sequence), sent_(mesh.members.size()), came_(sent_.size()) {}

  bool next(int peer, FrameHeader& header, std::vector<iovec>& payload) override {
    if (!has_more_for(peer)) return false;
    sent_[static_cast<size_t>(peer)] = true;
    uint64_t length = 0;
    payload = outgoing();
    for (const iovec& part : payload) length += part.iov_len;
    header = sealed(kind_, sequence_, index(), length);
    return true;
  }
  bool expects(int peer) const override { return hears(peer) && !came_[static_cast<size_t>(peer)]; }
  bool has_more_for(int peer) const override { return tells(peer) && !sent_[static_cast<size_t>(peer)]; }
  bool place(int peer, const FrameHeader& header, std::vector<iovec>& payload) override {
    if (header.kind != kind_ || !fits(peer, header)) watch_.diverge(peer, sequence_);
    payload = incoming(peer, header);
    return true;
  }
  void received(int peer, const FrameHeader&) override { came_[static_cast<size_t>(peer)] = true; }

 protected:
  virtual bool tells(int peer) const = 0;
  virtual bool hears(int peer) const = 0;
  virtual uint64_t index() const = 0;
  virtual bool fits(int peer, const FrameHeader& header) const = 0;
  virtual std::vector<iovec> outgoing() = 0;
  virtual std::vector<iovec> incoming(int peer, const FrameHeader& header) = 0;

  const Mesh& mesh_;
  Watch& watch_;
  const FrameKind kind_;
  const uint64_t sequence_;
  std::vector<bool> sent_, came_;
};

class GatherTraffic : public OneFrame {
 public:
  GatherTraffic(const Mesh& mesh, Watch& watch, uint64_t sequence, std::vector<Bytes>& all)
      : OneFrame(mesh, watch, FrameKind::gather, sequence), all_(all) {}

 private:
  bool tells(int) const override { return true; }
  bool hears(int) const override { return true; }
  uint64_t index() const override { return 0; }
  bool fits(int, const FrameHeader& header) const override { return header.length <= kMostGathered; }
  std::vector<iovec> outgoing() override { return parts_of(all_[static_cast<size_t>(mesh_.rank)]); }
  std::vector<iovec> incoming(int peer, const FrameHeader& header) override {
    all_[static_cast<size_t>(peer)].resize(header.length);
    return parts_of(all_[static_cast<size_t>(peer)]);
  }
  static std::vector<iovec> parts_of(Bytes& bytes) { return {{bytes.data(), bytes.size()}}; }

  std::vector<Bytes>& all_;
};

class BroadcastTraffic : public OneFrame {
 public:
  BroadcastTraffic(const Mesh& mesh, Watch& watch, uint64_t sequence, const std::vector<at::Tensor>& tensors, int from)
      : OneFrame(mesh, watch, FrameKind::broadcast, sequence), layout_(tensors), tensors_(tensors), from_(from) {}

 private:
  bool tells(int) const override { return mesh_.rank == from_; }
  bool hears(int peer) const override { return peer == from_; }
  uint64_t index() const override { return layout_.digest(); }
  bool fits(int, const FrameHeader& header) const override { return header.index == layout_.digest(); }
  std::vector<iovec> outgoing() override { return parts(); }
  std::vector<iovec> incoming(int, const FrameHeader&) override { return parts(); }
  std::vector<iovec> parts() const {
    std::vector<iovec> all;
    for (const at::Tensor& tensor : tensors_) all.push_back({tensor.data_ptr(), tensor.nbytes()});
    return all;
  }

  const Layout layout_;
  const std::vector<at::Tensor>& tensors_;
  const int from_;
};

}  // namespace

HostCollective::HostCollective(Mesh mesh, double first_timeout, double timeout)
    : mesh_(std::move(mesh)), first_timeout_(first_timeout), timeout_(timeout), watch_(mesh_, timeout) {}

void HostCollective::run(const char* doing, const std::function<void(uint64_t, Exchange&)>& body) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t sequence = begin_exchange();
  Exchange exchange(mesh_, watch_, sequence, timeout(), doing);
  try {
    body(sequence, exchange);
  } catch (const std::exception& error) {
    watch_.throw_if_failed();
    // Given up halfway by this rank alone, as when its process is ending.
    watch_.give_up(describe(mesh_.members[static_cast<size_t>(mesh_.rank)]) + " gave up: " + error.what());
    throw;
  }
  complete_exchange(sequence);
  bytes_sent_ += exchange.bytes_sent();
}

uint64_t HostCollective::begin_exchange() {
  watch_.throw_if_failed();
  const uint64_t sequence = ++exchanges_;
  watch_.set_sequence(sequence);
  return sequence;
}

void HostCollective::sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& sums) {
  run("sum tensors", [&](uint64_t sequence, Exchange& exchange) {
    SumTraffic traffic(mesh_, watch_, sequence, partials, leaves, sums);
    traffic.begin();
    exchange.run(traffic);
  });
}

std::vector<Bytes> HostCollective::gather(const Bytes& bytes) {
  std::vector<Bytes> all(mesh_.members.size());
  all[static_cast<size_t>(mesh_.rank)] = bytes;
  run("gather bytes", [&](uint64_t sequence, Exchange& exchange) {
    GatherTraffic traffic(mesh_, watch_, sequence, all);
    exchange.run(traffic);
  });
  return all;
}

void HostCollective::broadcast(const std::vector<at::Tensor>& tensors, int from) {
  run("spread tensors", [&](uint64_t sequence, Exchange& exchange) {
    BroadcastTraffic traffic(mesh_, watch_, sequence, tensors, from);
    exchange.run(traffic);
  });
}

}  // namespace permafrost
