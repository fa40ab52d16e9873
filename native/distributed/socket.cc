#include "distributed/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/error.h"
#include "core/interruption.h"
#include "distributed/sha256.h"

namespace permafrost {

namespace {

constexpr size_t kMostParts = 64;
constexpr int kBacklog = 256;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses resolve(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

Descriptor open_socket(int family) {
  Descriptor socket(::socket(family, SOCK_STREAM, 0));
  if (!socket.is_open()) return socket;
  fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  return socket;
}

// Small frames leave at once, and a connection whose host has gone is noticed without traffic.
void tune(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

// Linux's abstract names: no file that could be left behind.
struct LocalAddress {
  explicit LocalAddress(const std::string& name) : length(offsetof(sockaddr_un, sun_path) + 1 + name.size()) {
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  socklen_t length;
};

void listen_locally(Listener& listener) {
  const std::string random = random_bytes(16);
  std::string name = "permafrost-";
  for (const char byte : random) {
    name += "0123456789abcdef"[static_cast<uint8_t>(byte) >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  const LocalAddress address(name);
  listener.local = open_socket(AF_UNIX);
  if (bind(listener.local.get(), address.get(), address.length) != 0) return;
  if (listen(listener.local.get(), kBacklog) == 0) listener.local_name = name;
}

std::string bound_address(int fd, int& port) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
  getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  port = std::atoi(service);
  return host;
}

bool wait_for_event(int fd, short events, Deadline deadline) {
  while (Clock::now() < deadline) {
    interruption_point();
    pollfd polled{fd, events, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (poll(&polled, 1, static_cast<int>(std::clamp<int64_t>(left, 1, 100))) > 0) return true;
  }
  return false;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

ssize_t send_some(int fd, const iovec* parts, size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = std::min(count, kMostParts);
  const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

ssize_t receive_some(int fd, const iovec* parts, size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = std::min(count, kMostParts);
  const ssize_t received = recvmsg(fd, &message, 0);
  if (received > 0) return received;
  if (received == 0) return -1;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

bool send_all(int fd, const std::string& bytes, Deadline deadline) {
  for (size_t done = 0; done < bytes.size();) {
    const iovec part{const_cast<char*>(&bytes[done]), bytes.size() - done};
    const ssize_t sent = send_some(fd, &part, 1);
    if (sent < 0 || (sent == 0 && !wait_for_event(fd, POLLOUT, deadline))) return false;
    done += static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int fd, std::string& bytes, Deadline deadline) {
  for (size_t done = 0; done < bytes.size();) {
    const iovec part{&bytes[done], bytes.size() - done};
    const ssize_t received = receive_some(fd, &part, 1);
    if (received < 0 || (received == 0 && !wait_for_event(fd, POLLIN, deadline))) return false;
    done += static_cast<size_t>(received);
  }
  return true;
}

bool wait_readable(const std::vector<int>& fds, Deadline deadline) {
  std::vector<pollfd> polled;
  for (const int fd : fds) {
    if (fd >= 0) polled.push_back({fd, POLLIN, 0});
  }
  poll(polled.data(), polled.size(), 50);
  return Clock::now() < deadline;
}

Listener listen_at(const std::string& address, int port) {
  Listener listener;
  const Addresses found = resolve(address, port);
  check(found != nullptr, ErrorCode::INVALID_OPTION, "`bind`: ", address, " is no address of this host.");
  listener.tcp = open_socket(found->ai_family);
  const int on = 1;
  setsockopt(listener.tcp.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  check(listener.tcp.is_open() && bind(listener.tcp.get(), found->ai_addr, found->ai_addrlen) == 0 &&
            listen(listener.tcp.get(), kBacklog) == 0,
        ErrorCode::INVALID_OPTION, "`bind`: cannot listen at ", address, ": ", std::strerror(errno), ".");
  listener.address = bound_address(listener.tcp.get(), listener.port);
  listen_locally(listener);
  return listener;
}

Descriptor accept_from(int listener) {
  Descriptor accepted(accept(listener, nullptr, nullptr));
  if (!accepted.is_open()) return accepted;
  fcntl(accepted.get(), F_SETFD, FD_CLOEXEC);
  fcntl(accepted.get(), F_SETFL, fcntl(accepted.get(), F_GETFL) | O_NONBLOCK);
  tune(accepted.get());
  return accepted;
}

Descriptor connect_tcp(const std::string& host, int port, Deadline deadline) {
  const Addresses found = resolve(host, port);
  for (const addrinfo* candidate = found.get(); candidate != nullptr; candidate = candidate->ai_next) {
    Descriptor socket = open_socket(candidate->ai_family);
    if (!socket.is_open()) continue;
    if (connect(socket.get(), candidate->ai_addr, candidate->ai_addrlen) != 0) {
      if (errno != EINPROGRESS || !wait_for_event(socket.get(), POLLOUT, deadline)) continue;
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) continue;
    }
    tune(socket.get());
    return socket;
  }
  return {};
}

Descriptor connect_local(const std::string& name) {
  const LocalAddress address(name);
  Descriptor socket = open_socket(AF_UNIX);
  if (connect(socket.get(), address.get(), address.length) != 0) return {};
  return socket;
}

std::string local_address_of(int fd) {
  int port = 0;
  return bound_address(fd, port);
}

int local_port_of(int fd) {
  int port = 0;
  bound_address(fd, port);
  return port;
}

std::string host_identity() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  char network[64] = "";
  const ssize_t length = readlink("/proc/self/ns/net", network, sizeof network - 1);
  // Without either there are no local sockets, and every host is another one.
  if (boot.empty() || length <= 0) return "";
  return boot + " " + network;
}

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace permafrost
