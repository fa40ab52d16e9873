// Ranks that meet by a store; and what they say where they cannot.
#include "distributed/mesh.h"

#include <sys/socket.h>

#include <functional>
#include <thread>

#include "distributed/host_collective.h"
#include "distributed/store.h"
#include "permafrost/build_info.h"
#include "test/meshes.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_message;

constexpr double kTimeout = 20;

// A port of this host that nobody listens at.
int free_port() { return listen_at("127.0.0.1").port; }

// Has ranks meet by a store, rank 0 serving, with options of each rank's own; what each of them heard.
std::vector<std::string> heard_meeting(int size, const std::function<void(MeetingOptions&)>& change) {
  const int port = free_port();
  std::vector<std::string> heard(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      MeetingOptions options;
      options.rank = rank;
      options.size = size;
      options.store = {"127.0.0.1", port, rank == 0};
      options.prefix = "test";
      options.device = "cpu";
      options.first_timeout = 20;
      change(options);
      try {
        HostCollective collective(meet(options), kTimeout, kTimeout);
        expect(collective.sum(1.0) == size, "the sum is wrong");
        collective.leave("");
      } catch (const std::exception& error) {
        heard[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return heard;
}

void expect_all_heard(const std::vector<std::string>& heard, const std::string& part) {
  for (size_t rank = 0; rank < heard.size(); ++rank) {
    expect(part.empty() ? heard[rank].empty() : heard[rank].find(part) != std::string::npos, "rank ", rank, " heard: ", heard[rank]);
  }
}

TEST("ranks meet by the store, over local sockets and over TCP, also a second time") {
  expect_all_heard(heard_meeting(3, [](MeetingOptions&) {}), "");
  // Another host's ranks have no local sockets in common.
  expect_all_heard(heard_meeting(3, [](MeetingOptions& options) { options.is_local_allowed = false; }), "");
  expect_all_heard(heard_meeting(2, [](MeetingOptions& options) { options.secret = "one"; }), "");
}

TEST("ranks that cannot meet say why, all of them") {
  expect_all_heard(heard_meeting(2, [](MeetingOptions& options) { options.secret = options.rank == 0 ? "one" : "other"; }),
                   "knows another secret");
  expect_all_heard(heard_meeting(2, [](MeetingOptions& options) { options.size += options.rank; options.first_timeout = 5; }), "There are ");
  expect_all_heard(heard_meeting(2, [](MeetingOptions& options) {
                     options.size = 3;
                     options.first_timeout = 5;
                   }),
                   "Of 3 ranks these did not come within 5 s: 2.");
}

TEST("a rank that ends before all are connected is named") {
  MeetingOptions options;
  options.size = 2;
  options.store = {"127.0.0.1", free_port(), true};
  options.prefix = "ended";
  options.device = "cpu";
  std::thread other([&] {
    Store store({options.store.host, options.store.port, false}, "ended/0", seconds_from_now(kTimeout));
    store.set("rank/1", PERMAFROST_VERSION "\n2\ngone\n7\ncpu\n\n127.0.0.1\n" + std::to_string(free_port()) + "\n");
  });
  const std::string heard = thrown_message([&] { meet(options); });
  other.join();
  expect(heard == "RANK_FAILED: rank 1 (gone, process 7) ended before all ranks were connected.", heard);
}

// Whether somebody listens at an address.
bool listens(const std::string& address, int port) { return connect_tcp(address, port, seconds_from_now(1)).is_open(); }

TEST("a store is served at its own address alone") {
  const int port = free_port();
  Store store({"127.0.0.1", port, true}, "alone", seconds_from_now(kTimeout));
  store.set("key", std::string("va\0lue", 6));
  expect(store.get("key") == std::string("va\0lue", 6), "the value is another one");
  expect(!store.get("other"), "a key is there that was not set");
  expect(store.count("times") == 1 && store.count("times") == 2, "counts are wrong");
  Store other({"127.0.0.1", port, false}, "alone", seconds_from_now(kTimeout));
  expect(other.get("key").has_value() && other.count("times") == 3, "another client finds other things");
  expect(listens("127.0.0.1", port) && !listens("127.0.0.2", port) && !listens("::1", port), "others reach the store");
}

TEST("a store that says nothing, hangs up or is none is named") {
  const auto heard = [](const std::function<void(int)>& serve) {
    Listener listener = listen_at("127.0.0.1");
    std::thread server([&] { serve(listener.tcp.get()); });
    const std::string message =
        thrown_message([&] { Store({"127.0.0.1", listener.port, false}, "none", seconds_from_now(1)); });
    server.join();
    return message;
  };
  const auto answering = [](const std::string& answer) {
    return [answer](int listener) {
      for (int times = 0; times < 2; ++times) {
        Descriptor client;
        const Deadline soon = seconds_from_now(2);
        while (!client.is_open() && wait_readable({listener}, soon)) client = accept_from(listener);
        std::string asked(1, '\0');
        if (!client.is_open() || !receive_all(client.get(), asked, soon)) continue;
        send_all(client.get(), answer, soon);
        // Closed with something unread, a connection would take the answer back.
        shutdown(client.get(), SHUT_WR);
        while (receive_all(client.get(), asked, soon)) {
        }
      }
    };
  };
  const std::string silent = heard([](int) {}), hung_up = heard(answering("")), other = heard(answering("HTTP/1.1 400"));
  for (const std::string& message : {silent, hung_up, other}) {
    expect(message.rfind("RANK_FAILED: What is served at 127.0.0.1:", 0) == 0, message);
  }
  expect(silent.find("does not answer") != std::string::npos, silent);
  expect(hung_up.find("is gone") != std::string::npos, hung_up);
  expect(other.find("answers something else") != std::string::npos, other);
}

}  // namespace
}  // namespace permafrost
