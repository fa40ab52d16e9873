#include "distributed/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace permafrost {

namespace {

// Of the time-out: how long a rank may be silent. Less than all of it, so that a rank that is stopped is named by
// everybody for its silence before the first one has waited too long.
constexpr double kSilence = 0.75;
constexpr size_t kMostText = 64 << 10;
constexpr size_t kMostWaiting = 64 << 10;
// How long a broken connection waits for the word that explains it.
constexpr auto kExplanation = std::chrono::seconds(2);

void make_pipe(Descriptor& read, Descriptor& write) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, ErrorCode::INTERNAL, "Cannot make a pipe: ", std::strerror(errno), ".");
  read = Descriptor(ends[0]);
  write = Descriptor(ends[1]);
}

void ring(const Descriptor& pipe) {
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(pipe.get(), &byte, 1);
}

}  // namespace

Watch::Watch(const Mesh& mesh, double timeout)
    : mesh_(mesh),
      timeout_(timeout),
      interval_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::min(1.0, timeout / 8)))),
      peers_(mesh.members.size()) {
  make_pipe(alarm_read_, alarm_write_);
  make_pipe(wake_read_, wake_write_);
  peers_[static_cast<size_t>(mesh.rank)].is_open = false;
  if (peers_.size() > 1) thread_ = std::thread([this] { work(); });
}

Watch::~Watch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void Watch::wake() { ring(wake_write_); }

void Watch::throw_if_failed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_) throw Error(*failure_);
}

void Watch::throw_if_failed(uint64_t sequence, const std::string& doing) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (size_t rank = 0; rank < peers_.size() && !failure_; ++rank) {
    const Peer& peer = peers_[rank];
    if (peer.left && peer.completed < sequence) set_failure(ErrorCode::RANK_FAILED, left_message(rank, doing));
  }
  if (failure_) throw Error(*failure_);
}

void Watch::fail_group(ErrorCode code, const std::string& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  set_failure(code, message);
  throw Error(*failure_);
}

void Watch::give_up(const std::string& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  set_failure(ErrorCode::RANK_FAILED, message);
}

void Watch::set_failure(ErrorCode code, const std::string& message) {
  if (failure_) return;
  failure_.emplace(code, message);
  queue(sealed(FrameKind::failure, 0, static_cast<uint64_t>(code == ErrorCode::RANKS_DIVERGED), message.size()), message);
  // At once: this process may be about to end, and its end must not be heard of first.
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) write_to(rank);
  ring(alarm_write_);
  changed_.notify_all();
  wake();
}

void Watch::diverge(int rank, uint64_t sequence) {
  const auto [a, b] = std::minmax(rank, mesh_.rank);
  fail_group(ErrorCode::RANKS_DIVERGED, describe(mesh_.members[static_cast<size_t>(a)]) + " and " +
                                            describe(mesh_.members[static_cast<size_t>(b)]) +
                                            " make different calls, or sum different tensors, in exchange " +
                                            std::to_string(sequence) + ". All ranks have to make the same ones.");
}

void Watch::lose(int rank, const std::string& doing) {
  const std::string who = describe(mesh_.members[static_cast<size_t>(rank)]);
  std::unique_lock<std::mutex> lock(mutex_);
  Peer& peer = peers_[static_cast<size_t>(rank)];
  changed_.wait_for(lock, kExplanation, [&] { return failure_ || peer.left; });
  if (peer.left) set_failure(ErrorCode::RANK_FAILED, left_message(static_cast<size_t>(rank), doing));
  set_failure(ErrorCode::RANK_FAILED, who + " broke the connection while ranks were to " + doing + ".");
  throw Error(*failure_);
}

std::string Watch::left_message(size_t rank, const std::string& doing) const {
  const std::string& reason = *peers_[rank].left;
  return describe(mesh_.members[rank]) + " left while others waited for it to " + doing + (reason.empty() ? "." : ": " + reason);
}

int Watch::suspect(const std::vector<int>& awaited) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto peer = [&](int rank) -> const Peer& { return peers_[static_cast<size_t>(rank)]; };
  // Whom one waits for may itself wait for a third one.
  int silent = awaited.front();
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
    if (rank != mesh_.rank && peer(rank).heard < peer(silent).heard) silent = rank;
  }
  if (Clock::now() - peer(silent).heard > 4 * interval_) return silent;
  int behind = awaited.front();
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
    if (rank != mesh_.rank && peer(rank).sequence < peer(behind).sequence) behind = rank;
  }
  return behind;
}

void Watch::announce_leaving(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (has_left_) return;
  has_left_ = true;
  queue(sealed(FrameKind::leaving, completed_, 0, reason.size()), reason);
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) write_to(rank);
  if (!failure_) failure_.emplace(ErrorCode::DISPOSED, "This rank has left the group; join it anew.");
  ring(alarm_write_);
  changed_.notify_all();
  wake();
}

void Watch::leave(const std::string& reason) {
  announce_leaving(reason);
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(1), [this] {
    return std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return !peer.is_open || peer.outgoing.empty(); });
  });
  stopping_ = true;
  wake();
}

void Watch::queue(const FrameHeader& header, const std::string& payload) {
  for (Peer& peer : peers_) {
    if (peer.is_open) peer.outgoing += std::string(reinterpret_cast<const char*>(&header), sizeof header) + payload;
  }
}

void Watch::work() {
  const int size = static_cast<int>(peers_.size());
  auto next_sign = Clock::now(), last_turn = next_sign;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    std::vector<pollfd> polled(1, {wake_read_.get(), POLLIN, 0});
    for (int rank = 0; rank < size; ++rank) {
      const Peer& peer = peers_[static_cast<size_t>(rank)];
      const short events = static_cast<short>(POLLIN | (peer.outgoing.empty() ? 0 : POLLOUT));
      polled.push_back({peer.is_open ? mesh_.control[static_cast<size_t>(rank)].get() : -1, events, 0});
    }
    lock.unlock();
    poll(polled.data(), polled.size(),
         static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(interval_).count()));
    lock.lock();
    char drained[64];
    while (read(wake_read_.get(), drained, sizeof drained) > 0) {
    }
    for (int rank = 0; rank < size; ++rank) {
      if (polled[static_cast<size_t>(rank) + 1].revents != 0) read_from(rank);
    }
    const auto now = Clock::now();
    // Where this process itself stood still, it cannot tell who else did.
    if (now - last_turn > 4 * interval_) {
      for (Peer& peer : peers_) peer.heard = now;
    }
    last_turn = now;
    judge_silence();
    if (now >= next_sign) {
      next_sign = now + interval_;
      const FrameHeader sign = sealed(FrameKind::alive, sequence_, 0, 0);
      for (Peer& peer : peers_) {
        if (peer.is_open && peer.outgoing.size() < kMostWaiting) {
          peer.outgoing.append(reinterpret_cast<const char*>(&sign), sizeof sign);
        }
      }
    }
    for (int rank = 0; rank < size; ++rank) write_to(rank);
    changed_.notify_all();
  }
}

void Watch::read_from(int rank) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  char buffer[4096];
  const iovec part{buffer, sizeof buffer};
  ssize_t received = 0;
  while (peer.is_open && (received = receive_some(mesh_.control[static_cast<size_t>(rank)].get(), &part, 1)) > 0) {
    peer.heard = Clock::now();
    peer.incoming.append(buffer, static_cast<size_t>(received));
    FrameHeader header;
    while (peer.incoming.size() >= sizeof header) {
      std::memcpy(&header, peer.incoming.data(), sizeof header);
      if (!header.is_sound() || header.length > kMostText) {
        peer.is_open = false;
        set_failure(ErrorCode::RANK_FAILED, describe(mesh_.members[static_cast<size_t>(rank)]) + " sent a damaged frame.");
        return;
      }
      if (peer.incoming.size() < sizeof header + header.length) break;
      take_frame(rank, header, peer.incoming.substr(sizeof header, header.length));
      peer.incoming.erase(0, sizeof header + header.length);
    }
  }
  if (received >= 0) return;
  peer.is_open = false;
  if (!peer.left) {
    set_failure(ErrorCode::RANK_FAILED, describe(mesh_.members[static_cast<size_t>(rank)]) + " ended: its connection closed.");
  }
}

void Watch::take_frame(int rank, const FrameHeader& header, const std::string& payload) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  switch (header.kind) {
    case FrameKind::alive:
      peer.sequence = header.sequence;
      break;
    case FrameKind::failure:
      set_failure(header.index == 1 ? ErrorCode::RANKS_DIVERGED : ErrorCode::RANK_FAILED, payload);
      break;
    case FrameKind::leaving:
      peer.left = payload;
      peer.completed = header.sequence;
      break;
    default:
      break;
  }
}

void Watch::write_to(int rank) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  while (peer.is_open && !peer.outgoing.empty()) {
    const iovec part{peer.outgoing.data(), peer.outgoing.size()};
    const ssize_t sent = send_some(mesh_.control[static_cast<size_t>(rank)].get(), &part, 1);
    // A connection that is gone is noticed by reading, behind the last words that it carries.
    if (sent <= 0) return;
    peer.outgoing.erase(0, static_cast<size_t>(sent));
  }
}

void Watch::judge_silence() {
  const auto now = Clock::now();
  for (size_t rank = 0; rank < peers_.size(); ++rank) {
    const Peer& peer = peers_[rank];
    if (!peer.is_open || peer.left) continue;
    if (std::chrono::duration<double>(now - peer.heard).count() <= kSilence * timeout_) continue;
    std::ostringstream message;
    message << describe(mesh_.members[rank]) << " was silent for " << kSilence * timeout_ << " s: it was stopped, or its host is gone.";
    set_failure(ErrorCode::RANK_FAILED, message.str());
  }
}

}  // namespace permafrost
