// One exchange of frames with all other ranks.
#pragma once

#include <sys/uio.h>

#include <deque>
#include <string>
#include <vector>

#include "distributed/frame.h"
#include "distributed/mesh.h"
#include "distributed/watch.h"

namespace permafrost {

// What is sent and received, asked for frame by frame. Peers are named by their ranks.
class Traffic {
 public:
  virtual ~Traffic() = default;
  // The next frame for a peer; false where there is none by now.
  virtual bool next(int peer, FrameHeader& header, std::vector<iovec>& payload) = 0;
  // Whether frames of a peer, or for it, are still to come.
  virtual bool expects(int peer) const = 0;
  virtual bool has_more_for(int peer) const = 0;
  // Where the payload of a frame goes, exactly its length; false where it has to wait. Throws where it is none of those
  // expected.
  virtual bool place(int peer, const FrameHeader& header, std::vector<iovec>& payload) = 0;
  virtual void received(int peer, const FrameHeader& header) = 0;
};

// Moves frames until nothing is expected or left to send. Whoever is waited for longer than the time-out fails the group.
class Exchange {
 public:
  // `doing` completes "were to", for messages.
  Exchange(const Mesh& mesh, Watch& watch, uint64_t sequence, double timeout, std::string doing);
  void run(Traffic& traffic);
  // Bytes sent, headers included.
  int64_t bytes_sent() const { return bytes_sent_; }

 private:
  struct Peer {
    FrameHeader out_header, in_header;
    std::vector<iovec> out, in;  // what is left of the frame under way
    size_t out_at = 0, in_at = 0;
    bool has_header = false;  // in_header is read, its payload has a place or waits for one
    bool is_placed = false;
    Clock::time_point moved = Clock::now();
  };

  bool send_to(int rank, Traffic& traffic);
  bool receive_from(int rank, Traffic& traffic);
  void check_header(int rank, const FrameHeader& header);
  void wait(const Traffic& traffic);

  const Mesh& mesh_;
  Watch& watch_;
  const uint64_t sequence_;
  const double timeout_;
  const std::string doing_;
  std::vector<Peer> peers_;
  int64_t bytes_sent_ = 0;
};

}  // namespace permafrost
