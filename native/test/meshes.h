// Ranks as threads of a test, joined without a store.
#pragma once

#include <sys/socket.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "distributed/host_collective.h"
#include "test/testing.h"

namespace permafrost::testing {

inline std::vector<Mesh> joined_meshes(int size) {
  std::vector<Mesh> meshes(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    Mesh& mesh = meshes[static_cast<size_t>(rank)];
    mesh.rank = rank;
    mesh.data.resize(static_cast<size_t>(size));
    mesh.control.resize(static_cast<size_t>(size));
    for (int other = 0; other < size; ++other) mesh.members.push_back({other, "host" + std::to_string(other), 100 + other, "cpu"});
  }
  for (int a = 0; a < size; ++a) {
    for (int b = a + 1; b < size; ++b) {
      for (auto connections : {&Mesh::data, &Mesh::control}) {
        int ends[2];
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "socketpair failed");
        (meshes[static_cast<size_t>(a)].*connections)[static_cast<size_t>(b)] = Descriptor(ends[0]);
        (meshes[static_cast<size_t>(b)].*connections)[static_cast<size_t>(a)] = Descriptor(ends[1]);
      }
    }
  }
  return meshes;
}

// The message of the Error that `body` must throw.
inline std::string thrown_message(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(code_name(error.code())) + ": " + error.what();
  }
  throw std::runtime_error("nothing was thrown");
}

// Runs `body` for each mesh in a thread of its own; rethrows what the first of them threw.
inline void for_all(std::vector<Mesh> meshes, double timeout, const std::function<void(std::shared_ptr<HostCollective>)>& body) {
  std::vector<std::exception_ptr> thrown(meshes.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < meshes.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const auto collective = std::make_shared<HostCollective>(std::move(meshes[rank]), timeout, timeout);
        body(collective);
        collective->leave("");
      } catch (...) {
        thrown[rank] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace permafrost::testing
