#include "distributed/store_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/error.h"

namespace permafrost {

namespace {

using StorePointer = c10::intrusive_ptr<c10d::TCPStore>;

// Since 2.1 the store can be handed a socket that listens where it is told to.
template <typename Options>
auto hand_over(Options& options, int listener, int) -> decltype(options.masterListenFd = 0, true) {
  options.masterListenFd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
  return true;
}
template <typename Options>
bool hand_over(Options&, int, long) {
  return false;
}

bool listens_at(int fd, int port) {
  int listens = 0;
  socklen_t length = sizeof listens;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0 && local_port_of(fd) == port;
}

// Before 2.1 the store listens at every address of the machine. It does so at a port of the system's choice, which nobody
// is told, until the socket that listens where it should takes the place of its own.
void replace_listener(c10d::TCPStore& store, int listener) {
  // Once this is answered, its thread has accepted the store's own connections.
  store.check({"listens"});
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    if (!listens_at(fd, store.getPort())) continue;
    check(dup3(listener, fd, O_CLOEXEC) == fd, ErrorCode::INTERNAL, "The store's socket cannot be replaced.");
    // Its thread still waits at the old one, until it has something to do.
    store.check({"listens"});
    return;
  }
  fail(ErrorCode::INTERNAL, "The store's socket is not found.");
}

StorePointer start(const std::string& host, int port, Deadline deadline) {
  c10d::TCPStoreOptions options;
  options.isServer = true;
  options.waitWorkers = false;
  options.timeout = std::max(std::chrono::milliseconds(1000),
                             std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
  options.port = static_cast<uint16_t>(port);
  Listener listener;
  try {
    listener = listen_at(host, port);
  } catch (const Error&) {
    return c10::make_intrusive<c10d::TCPStore>(host, options);
  }
  // c10d waits in `accept`.
  const int fd = listener.tcp.get();
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  if (hand_over(options, fd, 0)) return c10::make_intrusive<c10d::TCPStore>(host, options);
  options.port = 0;
  auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
  replace_listener(*store, fd);
  return store;
}

}  // namespace

void serve_store(const std::string& host, int port, Deadline deadline) {
  static std::mutex& mutex = *new std::mutex;
  static auto& servers = *new std::map<int, StorePointer>;
  const std::lock_guard<std::mutex> lock(mutex);
  if (servers.count(port) != 0) return;
  try {
    servers.emplace(port, start(host, port, deadline));
  } catch (const std::exception& error) {
    fail(ErrorCode::INVALID_OPTION, "Cannot serve the store of the ranks at ", host, ":", port,
         ": the port is taken, or the address is not of this host. Choose another port. (", error.what(), ")");
  }
}

}  // namespace permafrost
