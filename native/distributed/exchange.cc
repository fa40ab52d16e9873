#include "distributed/exchange.h"

#include <poll.h>

#include <algorithm>
#include <sstream>

#include "core/interruption.h"

namespace permafrost {

namespace {

constexpr int kTurnMs = 100;

// Takes moved bytes off the front of what is left.
void advance(std::vector<iovec>& parts, size_t& at, size_t moved) {
  while (moved > 0) {
    iovec& part = parts[at];
    const size_t taken = std::min(moved, part.iov_len);
    part.iov_base = static_cast<char*>(part.iov_base) + taken;
    part.iov_len -= taken;
    moved -= taken;
    if (part.iov_len == 0) ++at;
  }
  while (at < parts.size() && parts[at].iov_len == 0) ++at;
}

}  // namespace

Exchange::Exchange(const Mesh& mesh, Watch& watch, uint64_t sequence, double timeout, std::string doing)
    : mesh_(mesh), watch_(watch), sequence_(sequence), timeout_(timeout), doing_(std::move(doing)),
      peers_(mesh.members.size()) {}

void Exchange::run(Traffic& traffic) {
  const int size = static_cast<int>(peers_.size());
  while (true) {
    watch_.throw_if_failed(sequence_, doing_);
    bool is_done = true, moved = false;
    for (int rank = 0; rank < size; ++rank) {
      if (rank == mesh_.rank) continue;
      moved |= send_to(rank, traffic);
      moved |= receive_from(rank, traffic);
      const Peer& peer = peers_[static_cast<size_t>(rank)];
      is_done &= !traffic.expects(rank) && !traffic.has_more_for(rank) && peer.out_at == peer.out.size();
    }
    if (is_done) return;
    if (!moved) wait(traffic);
  }
}

bool Exchange::send_to(int rank, Traffic& traffic) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  if (peer.out_at == peer.out.size()) {
    peer.out.clear();
    peer.out_at = 0;
    std::vector<iovec> payload;
    if (!traffic.next(rank, peer.out_header, payload)) return false;
    peer.out.push_back({&peer.out_header, sizeof peer.out_header});
    peer.out.insert(peer.out.end(), payload.begin(), payload.end());
  }
  const ssize_t sent =
      send_some(mesh_.data[static_cast<size_t>(rank)].get(), &peer.out[peer.out_at], peer.out.size() - peer.out_at);
  if (sent < 0) watch_.lose(rank, doing_);
  if (sent == 0) return false;
  bytes_sent_ += sent;
  peer.moved = Clock::now();
  advance(peer.out, peer.out_at, static_cast<size_t>(sent));
  return true;
}

bool Exchange::receive_from(int rank, Traffic& traffic) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  // Nothing is read beyond what is expected: it may belong to the next exchange.
  if (!traffic.expects(rank)) return false;
  if (!peer.has_header && peer.in.empty()) {
    peer.in.push_back({&peer.in_header, sizeof peer.in_header});
    peer.in_at = 0;
  }
  if (peer.has_header && !peer.is_placed) {
    peer.in.clear();
    peer.in_at = 0;
    if (!traffic.place(rank, peer.in_header, peer.in)) return false;
    peer.is_placed = true;
    advance(peer.in, peer.in_at, 0);
  }
  if (peer.in_at < peer.in.size()) {
    const ssize_t received =
        receive_some(mesh_.data[static_cast<size_t>(rank)].get(), &peer.in[peer.in_at], peer.in.size() - peer.in_at);
    if (received < 0) watch_.lose(rank, doing_);
    if (received == 0) return false;
    peer.moved = Clock::now();
    advance(peer.in, peer.in_at, static_cast<size_t>(received));
    if (peer.in_at < peer.in.size()) return true;
  }
  peer.in.clear();
  peer.in_at = 0;
  if (!peer.has_header) {
    check_header(rank, peer.in_header);
    peer.has_header = true;
  } else {
    peer.has_header = peer.is_placed = false;
    traffic.received(rank, peer.in_header);
  }
  return true;
}

void Exchange::check_header(int rank, const FrameHeader& header) {
  if (!header.is_sound()) {
    watch_.fail_group(ErrorCode::RANK_FAILED, describe(mesh_.members[static_cast<size_t>(rank)]) + " sent a damaged frame.");
  }
  if (header.sequence != sequence_) watch_.diverge(rank, std::min(sequence_, header.sequence));
}

void Exchange::wait(const Traffic& traffic) {
  std::vector<pollfd> polled(1, {watch_.alarm(), POLLIN, 0});
  std::vector<int> awaited;
  Clock::time_point latest = Clock::time_point::min();
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
    const Peer& peer = peers_[static_cast<size_t>(rank)];
    if (rank == mesh_.rank) continue;
    const bool sends = peer.out_at < peer.out.size(), expects = traffic.expects(rank);
    const bool waits_for_place = peer.has_header && !peer.is_placed;
    const short events = static_cast<short>((sends ? POLLOUT : 0) | (expects && !waits_for_place ? POLLIN : 0));
    if (events == 0) continue;
    polled.push_back({mesh_.data[static_cast<size_t>(rank)].get(), events, 0});
    awaited.push_back(rank);
    latest = std::max(latest, peer.moved);
  }
  poll(polled.data(), polled.size(), kTurnMs);
  if (awaited.empty()) return interruption_point();
  const double waited = std::chrono::duration<double>(Clock::now() - latest).count();
  interruption_point_waiting(waited);
  if (waited < timeout_) return;
  const int rank = watch_.suspect(awaited);
  std::ostringstream message;
  message << describe(mesh_.members[static_cast<size_t>(rank)]) << " was waited for longer than " << timeout_
          << " s: ranks were to " << doing_ << ".";
  watch_.fail_group(ErrorCode::RANK_FAILED, message.str());
}

}  // namespace permafrost
