#include "distributed/store.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <unistd.h>

#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/interruption.h"

namespace permafrost {

namespace {

using StorePointer = c10::intrusive_ptr<c10d::TCPStore>;

constexpr auto kRetry = std::chrono::milliseconds(50);

// Since 2.1 the store can be handed a socket that listens where it is told to.
template <typename Options>
auto hand_over(Options& options, const Listener& listener, int) -> decltype(options.masterListenFd = 0, true) {
  options.masterListenFd = dup(listener.tcp.get());
  return true;
}
template <typename Options>
bool hand_over(Options&, const Listener&, long) {
  return false;
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0 || address == "::1"; }

// Before 2.1 the store listens at every address of the host; this keeps others than the host itself out.
void confine_to_loopback(int port) {
  const int most = static_cast<int>(sysconf(_SC_OPEN_MAX));
  for (int fd = 3; fd < std::min(most, 4096); ++fd) {
    int listens = 0;
    socklen_t length = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || listens == 0) continue;
    sockaddr_storage bound{};
    length = sizeof bound;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) continue;
    const bool is_v6 = bound.ss_family == AF_INET6;
    const uint16_t its = is_v6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                               : reinterpret_cast<sockaddr_in*>(&bound)->sin_port;
    if ((is_v6 || bound.ss_family == AF_INET) && ntohs(its) == port) {
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
    }
  }
}

c10d::TCPStoreOptions options_for(const StoreAddress& address, Deadline deadline) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(address.port);
  options.isServer = address.serves;
  options.waitWorkers = false;
  options.timeout = std::max(std::chrono::milliseconds(1000),
                             std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
  return options;
}

StorePointer start_server(const StoreAddress& address, Deadline deadline) {
  c10d::TCPStoreOptions options = options_for(address, deadline);
  Listener listener;
  try {
    listener = listen_at(address.host, address.port);
  } catch (const Error&) {
    // A name that leads here by way of another machine, such as a service of a cluster: c10d listens at all addresses.
  }
  const std::string bound = listener.address;
  const bool handed = listener.tcp.is_open() && hand_over(options, listener, 0);
  listener = {};
  auto store = c10::make_intrusive<c10d::TCPStore>(address.host, options);
  if (!handed && is_loopback(bound)) confine_to_loopback(address.port);
  return store;
}

// A store that this process serves goes on until its end: ranks that meet anew, for another training, find it there.
StorePointer server(const StoreAddress& address, Deadline deadline) {
  static std::mutex& mutex = *new std::mutex;
  static auto& servers = *new std::map<int, StorePointer>;
  const std::lock_guard<std::mutex> lock(mutex);
  StorePointer& found = servers[address.port];
  if (found) return found;
  try {
    found = start_server(address, deadline);
  } catch (const std::exception& error) {
    fail(ErrorCode::INVALID_OPTION, "Cannot serve the store of the ranks at ", address.host, ":", address.port,
         ": the port is taken, or the address is not of this host. Choose another port. (", error.what(), ")");
  }
  return found;
}

// Asks the store something.
template <typename Question>
void asked(const Question& question) {
  try {
    question();
  } catch (const std::exception& error) {
    fail(ErrorCode::RANK_FAILED, "The store of the ranks is gone: rank 0 or its agent ended. (", error.what(), ")");
  }
}

}  // namespace

struct Store::Client {
  StorePointer store;
};

Store::Store(const StoreAddress& address, const std::string& prefix, Deadline deadline)
    : prefix_(prefix + "/"), client_(std::make_unique<Client>()) {
  if (address.serves) client_->store = server(address, deadline);
  // c10d would print a warning for each try.
  while (true) {
    const Descriptor probe = connect_tcp(address.host, address.port, deadline);
    if (probe.is_open()) {
      local_address_ = local_address_of(probe.get());
      break;
    }
    interruption_point();
    check(Clock::now() < deadline, ErrorCode::RANK_FAILED, "Nobody serves the store of the ranks at ", address.host, ":",
          address.port, " in time. Start rank 0 there, or correct the address.");
    std::this_thread::sleep_for(kRetry);
  }
  if (client_->store) return;
  try {
    client_->store = c10::make_intrusive<c10d::TCPStore>(address.host, options_for(address, deadline));
  } catch (const std::exception& error) {
    fail(ErrorCode::RANK_FAILED, "What is served at ", address.host, ":", address.port,
         " is not the store of the ranks. (", error.what(), ")");
  }
}

Store::~Store() = default;

void Store::set(const std::string& key, const std::string& value) {
  asked([&] { client_->store->set(prefix_ + key, std::vector<uint8_t>(value.begin(), value.end())); });
}

std::optional<std::string> Store::get(const std::string& key) {
  std::optional<std::string> found;
  asked([&] {
    if (!client_->store->check({prefix_ + key})) return;
    const std::vector<uint8_t> value = client_->store->get(prefix_ + key);
    found.emplace(value.begin(), value.end());
  });
  return found;
}

int64_t Store::count(const std::string& key) {
  int64_t times = 0;
  asked([&] { times = client_->store->add(prefix_ + key, 1); });
  return times;
}

}  // namespace permafrost
