// The store that ranks meet by: c10d's TCPStore, which torchrun's agent serves, too.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distributed/socket.h"

namespace permafrost {

struct StoreAddress {
  std::string host;
  int port = 0;
  bool serves = false;  // whether this process makes the store
};

class Store {
 public:
  // Waits for the store to be there. Throws RANK_FAILED where it is not by the deadline, INVALID_OPTION where this
  // process cannot serve it.
  Store(const StoreAddress& address, const std::string& prefix, Deadline deadline);
  ~Store();

  void set(const std::string& key, const std::string& value);
  // Nothing where the key is not there yet. Does not wait.
  std::optional<std::string> get(const std::string& key);
  // How often the key has been counted by now, this time included.
  int64_t count(const std::string& key);
  // This host's address on the way to the store.
  const std::string& local_address() const { return local_address_; }

 private:
  struct Client;
  std::string prefix_, local_address_;
  std::unique_ptr<Client> client_;
};

}  // namespace permafrost
