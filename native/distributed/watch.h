// Watches over the ranks of a mesh, in a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "distributed/frame.h"
#include "distributed/mesh.h"

namespace permafrost {

// Sends and expects signs of life, notices at once where a connection closes, and spreads the first failure, so that
// all ranks name the same one. Uses nothing of libtorch: it may run on while the process exits.
class Watch {
 public:
  Watch(const Mesh& mesh, double timeout);
  // Ends without a word: to the others this rank has failed, unless it left before.
  ~Watch();

  // Readable from the first failure on, for those that wait at connections.
  int alarm() const { return alarm_read_.get(); }
  // Throws what was the first failure.
  void throw_if_failed() const;
  // The same within an exchange, which fails where a rank has left that did not take part in it; `doing` completes "were to".
  void throw_if_failed(uint64_t sequence, const std::string& doing);
  // Makes this the failure of the group unless there was one before, tells the others, and throws the first.
  [[noreturn]] void fail_group(ErrorCode code, const std::string& message);
  // The same for a rank that throws something else.
  void give_up(const std::string& message);
  // A rank makes another call than this one does: throws in words that are the same on both.
  [[noreturn]] void diverge(int rank, uint64_t sequence);
  // The connection for data of a rank broke, or it is waited for in vain: says why, and throws.
  [[noreturn]] void lose(int rank, const std::string& doing);
  // Whom to name of those that are waited for: one that is silent, else the one that is furthest behind.
  int suspect(const std::vector<int>& awaited) const;

  // Number of the exchange that this rank is in, which signs of life carry; and of one that it has done its part in.
  void set_sequence(uint64_t sequence) { sequence_ = sequence; }
  void complete(uint64_t sequence) { completed_ = sequence; }
  // Tells the others that this rank takes part in nothing more, and why where it is not done. Does not wait; the exchange
  // under way, if any, throws DISPOSED, as later ones do.
  void announce_leaving(const std::string& reason);
  // The same, until the others have the word.
  void leave(const std::string& reason);

 private:
  struct Peer {
    std::string incoming, outgoing;
    Clock::time_point heard = Clock::now();
    uint64_t sequence = 0;
    bool is_open = true;
    std::optional<std::string> left;  // why
    uint64_t completed = 0;           // exchanges until it left
  };

  void work();
  void read_from(int rank);
  void take_frame(int rank, const FrameHeader& header, const std::string& payload);
  void write_to(int rank);
  void queue(const FrameHeader& header, const std::string& payload);
  void judge_silence();
  // With the mutex held.
  void set_failure(ErrorCode code, const std::string& message);
  std::string left_message(size_t rank, const std::string& doing) const;
  void wake();

  const Mesh& mesh_;
  const double timeout_;
  const Clock::duration interval_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  std::optional<Error> failure_;
  std::atomic<uint64_t> sequence_{0}, completed_{0};
  bool has_left_ = false, stopping_ = false;
  Descriptor alarm_read_, alarm_write_, wake_read_, wake_write_;
  std::thread thread_;
};

}  // namespace permafrost
