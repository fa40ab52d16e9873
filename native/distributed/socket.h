// Stream sockets that never block: over TCP between hosts, local ones between the processes of a host.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace permafrost {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline Deadline seconds_from_now(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Where a rank listens: an address with a port, and beside it a name that processes of its host alone can reach.
struct Listener {
  Descriptor tcp, local;
  std::string address;
  int port = 0;
  std::string local_name;  // empty where the system has no such sockets
};

// Bytes that a call moved; 0 where it would have to wait, -1 where the other end is gone.
ssize_t send_some(int fd, const iovec* parts, size_t count);
ssize_t receive_some(int fd, const iovec* parts, size_t count);

// Move all of it, waiting for the other end; false where that is gone or the deadline has passed.
bool send_all(int fd, const std::string& bytes, Deadline deadline);
bool receive_all(int fd, std::string& bytes, Deadline deadline);

// Waits until one of the descriptors can be read; false where the deadline passed. For 50 ms at most.
bool wait_readable(const std::vector<int>& fds, Deadline deadline);

// Listens at an address of this host. Throws INVALID_OPTION where it is none.
Listener listen_at(const std::string& address, int port = 0);
// An accepted connection, not open where there is none.
Descriptor accept_from(int listener);
// Not open where nobody listens there, or does not answer by the deadline.
Descriptor connect_tcp(const std::string& host, int port, Deadline deadline);
Descriptor connect_local(const std::string& name);

// This host's address on the way to another one.
std::string local_address_of(int fd);
// The port that a socket is bound to.
int local_port_of(int fd);
// Names the host with its network: equal for processes that reach each other by local sockets.
std::string host_identity();
std::string host_name();

}  // namespace permafrost
