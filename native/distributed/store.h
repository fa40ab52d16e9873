// The store that ranks meet by: c10d's TCPStore, which torchrun's agent serves, too.
#pragma once

#include <optional>
#include <string>

#include "distributed/socket.h"

namespace permafrost {

struct StoreAddress {
  std::string host;
  int port = 0;
  bool serves = false;  // whether this process makes the store
};

// A client of our own, in c10d's protocol. That of libtorch before 2.1 has a thread that ends the whole process where the
// connection is reset, and none of them gives up on a store whose process is stopped.
class Store {
 public:
  // Waits for the store to be there. Throws RANK_FAILED where it is not by the deadline, INVALID_OPTION where this
  // process cannot serve it.
  Store(const StoreAddress& address, const std::string& prefix, Deadline deadline);

  // These throw RANK_FAILED where the store is gone, or does not answer.
  void set(const std::string& key, const std::string& value);
  // Nothing where the key is not there yet. Does not wait.
  std::optional<std::string> get(const std::string& key);
  // How often the key has been counted by now, this time included.
  int64_t count(const std::string& key);
  // This host's address on the way to the store.
  std::string local_address() const { return local_address_of(connection_.get()); }

 private:
  enum class Query : uint8_t;
  // False where nobody listens.
  bool connect(const StoreAddress& address);
  bool answers_ping();
  std::string query(Query kind) const;
  std::string full_key(const std::string& key) const;
  bool has(const std::string& key);
  void send(const std::string& query);
  std::string receive(size_t bytes);
  [[noreturn]] void lose(const char* how);

  Deadline answer_by() const;

  const std::string prefix_;
  const Deadline deadline_;
  Descriptor connection_;
  bool is_late_ = true;
};

}  // namespace permafrost
