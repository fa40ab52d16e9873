#include "distributed/sum_traffic.h"

#include <algorithm>
#include <cstring>

namespace permafrost {

namespace {

// Small enough for the caches that receiving and adding share, large enough that headers and calls cost nothing.
constexpr int64_t kPiece = 512 << 10;
// Pieces that a rank may be ahead of the slowest one.
constexpr int64_t kWindow = 4;
// Up to here a second hop takes longer than the bytes that it saves.
constexpr int64_t kSmall = 32 << 10;

// What a notice begins with; a stretch of leaves for each partial sum follows, then, of small sums, their bytes.
struct Notice {
  uint64_t layout;
  int64_t leaves, partials;
};

int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

SumTraffic::SumTraffic(const Mesh& mesh, Watch& watch, uint64_t sequence, const std::vector<PartialSum>& partials,
                       int64_t leaves, const std::vector<at::Tensor>& sums)
    : mesh_(mesh), watch_(watch), sequence_(sequence), partials_(partials), leaves_(leaves), sums_(sums), layout_(sums),
      is_small_(layout_.bytes() <= kSmall), shares_(mesh.members.size()) {
  const int64_t size = static_cast<int64_t>(shares_.size());
  for (const PartialSum& partial : partials) {
    check(Layout(partial.tensors).digest() == layout_.digest(), ErrorCode::INTERNAL,
          "A partial sum has tensors of other sizes or types than the sum.");
    own().partials.push_back({partial.first, partial.count});
  }
  own().is_known = true;
  for (int64_t rank = 0; rank < size; ++rank) {
    const auto cut = [&](int64_t part) { return part == size ? layout_.bytes() : layout_.bytes() / size * part / 8 * 8; };
    shares_[static_cast<size_t>(rank)].begin = cut(rank);
    shares_[static_cast<size_t>(rank)].end = cut(rank + 1);
  }
  write_notice();
}

int64_t SumTraffic::pieces(const Share& share) const {
  return is_small_ ? 0 : divided_up(share.end - share.begin, kPiece);
}

int64_t SumTraffic::piece_begin(const Share& share, int64_t piece) const { return share.begin + piece * kPiece; }

int64_t SumTraffic::piece_end(const Share& share, int64_t piece) const {
  return std::min(share.end, share.begin + (piece + 1) * kPiece);
}

std::vector<iovec> SumTraffic::memory(const std::vector<at::Tensor>& tensors, int64_t begin, int64_t end) const {
  std::vector<iovec> parts;
  for (const Segment& segment : layout_.segments(begin, end)) {
    char* const start = static_cast<char*>(tensors[segment.tensor].data_ptr());
    parts.push_back({start + segment.offset, static_cast<size_t>(segment.bytes)});
  }
  return parts;
}

void SumTraffic::write_notice() {
  const Notice notice{layout_.digest(), leaves_, static_cast<int64_t>(partials_.size())};
  notice_.append(reinterpret_cast<const char*>(&notice), sizeof notice);
  for (const Leaves& leaves : own().partials) notice_.append(reinterpret_cast<const char*>(&leaves), sizeof leaves);
  if (!is_small_) return;
  // Copied, as the sum may be written over them before they are sent.
  for (const PartialSum& partial : partials_) {
    const size_t start = notice_.size();
    notice_.resize(start + static_cast<size_t>(layout_.bytes()));
    for (const Segment& segment : layout_.segments(0, layout_.bytes())) {
      std::memcpy(&notice_[start + static_cast<size_t>(segment.at)], partial.tensors[segment.tensor].data_ptr(),
                  static_cast<size_t>(segment.bytes));
    }
  }
}

void SumTraffic::read_notice(int peer) {
  Share& share = shares_[static_cast<size_t>(peer)];
  Notice notice{};
  if (share.notice.size() >= sizeof notice) std::memcpy(&notice, share.notice.data(), sizeof notice);
  if (notice.layout != layout_.digest() || notice.leaves != leaves_) watch_.diverge(peer, sequence_);
  const size_t inlined = is_small_ ? static_cast<size_t>(layout_.bytes()) : 0;
  const auto count = static_cast<size_t>(notice.partials);
  if (notice.partials < 0 || notice.partials > leaves_ ||
      share.notice.size() != sizeof notice + count * (sizeof(Leaves) + inlined)) {
    watch_.diverge(peer, sequence_);
  }
  share.partials.resize(count);
  std::memcpy(share.partials.data(), &share.notice[sizeof notice], count * sizeof(Leaves));
  share.staging.resize(static_cast<size_t>(std::min(kWindow, pieces(own())) * kPiece) * count);
  share.is_known = true;
  add_pieces();
}

void SumTraffic::plan() {
  std::vector<Leaves> all;
  for (Share& share : shares_) {
    share.first_value = all.size();
    all.insert(all.end(), share.partials.begin(), share.partials.end());
  }
  tree_ = plan_sum(all, leaves_);
  is_planned_ = true;
}

void SumTraffic::add_pieces() {
  if (!std::all_of(shares_.begin(), shares_.end(), [](const Share& share) { return share.is_known; })) return;
  const bool first = !is_planned_;
  if (first) plan();
  if (is_small_) {
    if (first) add_notices();
    return;
  }
  for (; added_ < pieces(own()); ++added_) {
    const int64_t begin = piece_begin(own(), added_), end = piece_end(own(), added_);
    for (int rank = 0; rank < static_cast<int>(shares_.size()); ++rank) {
      const Share& share = shares_[static_cast<size_t>(rank)];
      if (rank != mesh_.rank && !share.partials.empty() && share.parts <= added_) return;
    }
    for (const Segment& segment : layout_.segments(begin, end)) {
      std::vector<const char*> values;
      for (const Share& share : shares_) {
        for (size_t i = 0; i < share.partials.size(); ++i) {
          const size_t slot = static_cast<size_t>(added_ % kWindow) * share.partials.size() + i;
          values.push_back(&share == &own()
                               ? static_cast<const char*>(partials_[i].tensors[segment.tensor].data_ptr()) + segment.offset
                               : &share.staging[slot * kPiece + static_cast<size_t>(segment.at - begin)]);
        }
      }
      char* const sum = static_cast<char*>(sums_[segment.tensor].data_ptr()) + segment.offset;
      add_up(tree_, layout_.type(segment.tensor), values, sum, segment.bytes);
    }
  }
}

void SumTraffic::add_notices() {
  for (const Segment& segment : layout_.segments(0, layout_.bytes())) {
    std::vector<const char*> values;
    for (const Share& share : shares_) {
      const std::string& notice = &share == &own() ? notice_ : share.notice;
      const size_t start = sizeof(Notice) + share.partials.size() * sizeof(Leaves);
      for (size_t i = 0; i < share.partials.size(); ++i) {
        values.push_back(&notice[start + i * static_cast<size_t>(layout_.bytes()) + static_cast<size_t>(segment.at)]);
      }
    }
    add_up(tree_, layout_.type(segment.tensor), values, static_cast<char*>(sums_[segment.tensor].data_ptr()), segment.bytes);
  }
}

bool SumTraffic::next(int peer, FrameHeader& header, std::vector<iovec>& payload) {
  Share& share = shares_[static_cast<size_t>(peer)];
  if (!share.notice_sent) {
    share.notice_sent = true;
    payload = {{notice_.data(), notice_.size()}};
    header = sealed(FrameKind::sum, sequence_, 0, notice_.size());
    return true;
  }
  FrameKind kind = FrameKind::total;
  int64_t piece = 0;
  if (share.totals_sent < added_) {
    piece = share.totals_sent++;
    payload = memory(sums_, piece_begin(own(), piece), piece_end(own(), piece));
  } else if (!partials_.empty() && share.parts_sent < pieces(share)) {
    kind = FrameKind::part;
    piece = share.parts_sent++;
    for (const PartialSum& partial : partials_) {
      const std::vector<iovec> parts = memory(partial.tensors, piece_begin(share, piece), piece_end(share, piece));
      payload.insert(payload.end(), parts.begin(), parts.end());
    }
  } else {
    return false;
  }
  uint64_t length = 0;
  for (const iovec& part : payload) length += part.iov_len;
  header = sealed(kind, sequence_, static_cast<uint64_t>(piece), length);
  return true;
}

bool SumTraffic::expects(int peer) const {
  const Share& share = shares_[static_cast<size_t>(peer)];
  if (!share.is_known) return true;
  return share.totals < pieces(share) || (!share.partials.empty() && share.parts < pieces(own()));
}

bool SumTraffic::has_more_for(int peer) const {
  const Share& share = shares_[static_cast<size_t>(peer)];
  return !share.notice_sent || share.totals_sent < pieces(own()) || (!partials_.empty() && share.parts_sent < pieces(share));
}

bool SumTraffic::place(int peer, const FrameHeader& header, std::vector<iovec>& payload) {
  Share& share = shares_[static_cast<size_t>(peer)];
  if (!share.is_known) {
    const auto most = sizeof(Notice) + static_cast<size_t>(leaves_) * (sizeof(Leaves) + static_cast<size_t>(kSmall));
    if (header.kind != FrameKind::sum || header.length > most) watch_.diverge(peer, sequence_);
    share.notice.resize(header.length);
    payload = {{share.notice.data(), share.notice.size()}};
    return true;
  }
  const auto piece = static_cast<int64_t>(header.index);
  if (header.kind == FrameKind::part && piece == share.parts && piece < pieces(own())) {
    if (piece >= added_ + kWindow) return false;
    const int64_t begin = piece_begin(own(), piece);
    for (size_t i = 0; i < share.partials.size(); ++i) {
      char* const slot = &share.staging[(static_cast<size_t>(piece % kWindow) * share.partials.size() + i) * kPiece];
      for (const Segment& segment : layout_.segments(begin, piece_end(own(), piece))) {
        payload.push_back({slot + (segment.at - begin), static_cast<size_t>(segment.bytes)});
      }
    }
  } else if (header.kind == FrameKind::total && piece == share.totals && piece < pieces(share)) {
    payload = memory(sums_, piece_begin(share, piece), piece_end(share, piece));
  } else {
    watch_.diverge(peer, sequence_);
  }
  uint64_t length = 0;
  for (const iovec& part : payload) length += part.iov_len;
  if (length != header.length) watch_.diverge(peer, sequence_);
  return true;
}

void SumTraffic::received(int peer, const FrameHeader& header) {
  Share& share = shares_[static_cast<size_t>(peer)];
  if (header.kind == FrameKind::sum) return read_notice(peer);
  if (header.kind == FrameKind::total) {
    ++share.totals;
    return;
  }
  ++share.parts;
  add_pieces();
}

}  // namespace permafrost
