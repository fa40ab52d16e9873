// The frames of one sum.
#pragma once

#include <string>
#include <vector>

#include "distributed/collective.h"
#include "distributed/exchange.h"
#include "distributed/sum_tree.h"

namespace permafrost {

// A sum in two halves that overlap: every rank owns a part of the elements, receives that part of all partial sums, adds
// them up in the tree's order piece by piece, and sends each piece of the sum to all. So each rank sends and receives
// 2 (n-1)/n times the bytes of the tensors, as much as a ring would, in two hops instead of 2 (n-1). Little is added up
// by every rank for itself, in one hop.
class SumTraffic : public Traffic {
 public:
  SumTraffic(const Mesh& mesh, Watch& watch, uint64_t sequence, const std::vector<PartialSum>& partials, int64_t leaves,
             const std::vector<at::Tensor>& sums);
  // Does what needs nothing of the others: all of it where there are none.
  void begin() { add_pieces(); }

  bool next(int peer, FrameHeader& header, std::vector<iovec>& payload) override;
  bool expects(int peer) const override;
  bool has_more_for(int peer) const override;
  bool place(int peer, const FrameHeader& header, std::vector<iovec>& payload) override;
  void received(int peer, const FrameHeader& header) override;

 private:
  // What one rank gives to the sum; this rank's own is one of them.
  struct Share {
    bool is_known = false;
    std::string notice;            // as received
    std::vector<Leaves> partials;
    int64_t begin = 0, end = 0;    // the part of the elements that the rank owns
    size_t first_value = 0;        // number of its first partial sum in the tree
    std::vector<char> staging;     // its pieces that are not added up yet
    int64_t parts = 0, totals = 0;            // pieces received
    int64_t parts_sent = 0, totals_sent = 0;  // pieces sent to it
    bool notice_sent = false;
  };

  Share& own() { return shares_[static_cast<size_t>(mesh_.rank)]; }
  const Share& own() const { return shares_[static_cast<size_t>(mesh_.rank)]; }
  int64_t pieces(const Share& share) const;
  int64_t piece_begin(const Share& share, int64_t piece) const;
  int64_t piece_end(const Share& share, int64_t piece) const;
  void write_notice();
  void read_notice(int peer);
  // Adds up what can be: once all ranks have told what they give, and their pieces are there.
  void add_pieces();
  void add_notices();
  void plan();
  std::vector<iovec> memory(const std::vector<at::Tensor>& tensors, int64_t begin, int64_t end) const;

  const Mesh& mesh_;
  Watch& watch_;
  const uint64_t sequence_;
  const std::vector<PartialSum>& partials_;
  const int64_t leaves_;
  const std::vector<at::Tensor>& sums_;
  const Layout layout_;
  const bool is_small_;
  std::vector<Share> shares_;  // by rank
  std::string notice_;         // what this rank tells the others
  SumTree tree_;
  bool is_planned_ = false;
  int64_t added_ = 0;  // pieces of this rank's own part
};

}  // namespace permafrost
