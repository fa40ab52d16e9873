// Ranks that sum, gather and spread tensors; and what they say when one of them fails.
#include "distributed/host_collective.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "distributed/sha256.h"
#include "test/meshes.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::joined_meshes;
using testing::thrown_message;

constexpr double kTimeout = 20;

void for_all(std::vector<Mesh> meshes, double timeout, const std::function<void(HostCollective&)>& body) {
  testing::for_all(std::move(meshes), timeout, [&](const std::shared_ptr<HostCollective>& collective) { body(*collective); });
}

// Numbers whose sums show their order.
at::Tensor leaf(int64_t number, int64_t elements, at::ScalarType type) {
  std::mt19937_64 random(static_cast<uint64_t>(7919 * number + elements));
  at::Tensor values = at::empty({elements}, at::kDouble);
  for (int64_t i = 0; i < elements; ++i) {
    values.data_ptr<double>()[i] = std::ldexp(static_cast<double>(random() % 1000003), static_cast<int>(random() % 40) - 30);
  }
  return values.to(type);
}

std::vector<at::Tensor> leaf_tensors(int64_t number, const std::vector<int64_t>& sizes) {
  const at::ScalarType types[] = {at::kFloat, at::kDouble, at::kLong};
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; i < sizes.size(); ++i) tensors.push_back(leaf(number * 31 + static_cast<int64_t>(i), sizes[i], types[i % 3]));
  return tensors;
}

// The sum of leaves [first, first + count), as PartialSum tells.
std::vector<at::Tensor> node(int64_t first, int64_t count, const std::vector<int64_t>& sizes) {
  if (count == 1) return leaf_tensors(first, sizes);
  int64_t left = 1;
  while (2 * left < count) left *= 2;
  std::vector<at::Tensor> sum = node(first, left, sizes);
  const std::vector<at::Tensor> right = node(first + left, count - left, sizes);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + right[i];
  return sum;
}

// Nodes of the tree of `leaves` leaves that make up [first, end).
void cover(int64_t first, int64_t end, int64_t node_first, int64_t node_count, std::vector<std::pair<int64_t, int64_t>>& nodes) {
  if (first >= end || node_first >= end || node_first + node_count <= first) return;
  if (first <= node_first && node_first + node_count <= end) {
    nodes.push_back({node_first, node_count});
    return;
  }
  int64_t left = 1;
  while (2 * left < node_count) left *= 2;
  cover(first, end, node_first, left, nodes);
  cover(first, end, node_first + left, node_count - left, nodes);
}

void expect_sums(int size, int64_t leaves, const std::vector<int64_t>& sizes, bool in_place) {
  const std::vector<at::Tensor> expected = node(0, leaves, sizes);
  for_all(joined_meshes(size), kTimeout, [&](HostCollective& collective) {
    const int64_t first = leaves * collective.rank() / size, end = leaves * (collective.rank() + 1) / size;
    std::vector<std::pair<int64_t, int64_t>> nodes;
    cover(first, end, 0, leaves, nodes);
    std::vector<PartialSum> partials;
    for (const auto& [start, count] : nodes) partials.push_back({start, count, node(start, count, sizes)});
    std::vector<at::Tensor> sums;
    for (const at::Tensor& tensor : expected) sums.push_back(at::empty_like(tensor));
    if (in_place && !partials.empty()) sums = partials.back().tensors;
    for (int time = 0; time < (in_place ? 1 : 2); ++time) {
      collective.sum(partials, leaves, sums);
      for (size_t i = 0; i < sums.size(); ++i) {
        expect(std::memcmp(sums[i].data_ptr(), expected[i].data_ptr(), sums[i].nbytes()) == 0, "tensor ", i, " of ", size,
               " ranks, ", leaves, " leaves, has other bits");
      }
    }
  });
}

TEST("ranks sum leaves in the tree's order to the bit, however they share them") {
  const std::vector<int64_t> small = {3, 1, 0, 17}, large = {200001, 70003, 3, 0, 130007, 5};
  for (int size = 1; size <= 4; ++size) {
    for (const int64_t leaves : {1, 2, 3, 4, 7, 8}) {
      expect_sums(size, leaves, small, leaves % 2 == 0);
      if (leaves != 2 && leaves != 8) expect_sums(size, leaves, large, leaves % 2 == 1);
    }
  }
}

TEST("ranks gather bytes of different lengths and take over the tensors of one") {
  for (int size = 1; size <= 4; ++size) {
    for_all(joined_meshes(size), kTimeout, [&](HostCollective& collective) {
      const auto rank = static_cast<uint8_t>(collective.rank());
      const std::vector<Bytes> all = collective.gather(Bytes(rank * 300000u, rank));
      for (size_t other = 0; other < all.size(); ++other) {
        expect(all[other] == Bytes(other * 300000u, static_cast<uint8_t>(other)), "other bytes of rank ", other);
      }
      std::vector<at::Tensor> tensors = leaf_tensors(rank, {1000, 1, 0, 70000});
      collective.broadcast(tensors, size - 1);
      const std::vector<at::Tensor> expected = leaf_tensors(size - 1, {1000, 1, 0, 70000});
      for (size_t i = 0; i < tensors.size(); ++i) expect(at::equal(tensors[i], expected[i]), "tensor ", i, " differs");
      expect(collective.sum(1.5) == 1.5 * size, "numbers are not summed");
      if (size == 1) expect(collective.bytes_sent() == 0, "a rank alone sends");
    });
  }
}

TEST("a rank sends twice (n-1)/n of the bytes that are summed") {
  for_all(joined_meshes(4), kTimeout, [&](HostCollective& collective) {
    const at::Tensor tensor = at::ones({1 << 20});
    collective.sum(std::vector<at::Tensor>{tensor});
    const double ideal = 2.0 * 3 / 4 * (4 << 20);
    expect(std::abs(static_cast<double>(collective.bytes_sent()) / ideal - 1) < 0.01, collective.bytes_sent(), " bytes for ", ideal);
  });
}

// What each rank of 3 hears when rank 2 does `fails` instead of its part in a sum.
void expect_failure(const std::string& part, double timeout, const std::function<void(HostCollective&)>& fails) {
  std::vector<std::string> heard(3);
  for_all(joined_meshes(3), timeout, [&](HostCollective& collective) {
    const int rank = collective.rank();
    const at::Tensor tensor = at::ones({100000});
    collective.sum(std::vector<at::Tensor>{tensor});
    if (rank == 2) {
      // A rank that has not come out of the first sum yet would hear of it there.
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      return fails(collective);
    }
    heard[static_cast<size_t>(rank)] = thrown_message([&] { collective.sum(std::vector<at::Tensor>{tensor}); });
    // Every later call says the same.
    expect(thrown_message([&] { collective.gather({}); }) == heard[static_cast<size_t>(rank)], "a later call says something else");
  });
  expect(heard[0].find(part) != std::string::npos, "heard: ", heard[0]);
  expect(heard[0].find("rank 2 (host2, process 102)") != std::string::npos, "heard: ", heard[0]);
  expect(heard[0] == heard[1], "rank 1 heard: ", heard[1]);
}

TEST("a rank that leaves while others wait for it is named with its reason") {
  expect_failure("left while others waited for it to sum tensors: no space is left", kTimeout,
                 [](HostCollective& collective) { collective.leave("no space is left"); });
}

TEST("a rank that leaves with a reason fails the next call of the others, whenever they make it") {
  std::string heard;
  for_all(joined_meshes(2), kTimeout, [&](HostCollective& collective) {
    const std::vector<at::Tensor> tensors = {at::full({1000}, collective.rank(), at::kFloat)};
    if (collective.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    // Its part in this one is done when it leaves.
    collective.broadcast(tensors, 1);
    expect(tensors[0][0].item<float>() == 1, "what was spread before is lost");
    if (collective.rank() == 1) return collective.leave("no space is left");
    const auto begun = Clock::now();
    heard = thrown_message([&] { collective.gather({}); });
    expect(Clock::now() - begun < std::chrono::duration<double>(kTimeout / 2), "heard too late");
  });
  expect(heard == "RANK_FAILED: rank 1 (host1, process 101) left while others waited for it to gather bytes: no space is left", heard);
}

TEST("a rank that is done and leaves fails those that still want something of it, and no others") {
  std::vector<std::string> heard(3);
  for_all(joined_meshes(3), kTimeout, [&](HostCollective& collective) {
    const int rank = collective.rank();
    collective.gather({});
    if (rank == 2) return collective.leave("");
    if (rank == 1) return;
    heard[0] = thrown_message([&] { collective.gather({}); });
  });
  expect(heard[0].rfind("RANK_FAILED: rank ", 0) == 0 && heard[0].find(" left while others waited for it to gather bytes.") != std::string::npos, heard[0]);
}

TEST("a rank that leaves ends its own call that waits for others") {
  for_all(joined_meshes(2), kTimeout, [&](HostCollective& collective) {
    if (collective.rank() == 1) return std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::thread closing([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      collective.watch().announce_leaving("");
    });
    const std::string heard = thrown_message([&] { collective.gather({}); });
    closing.join();
    expect(heard.rfind("DISPOSED", 0) == 0, heard);
  });
}

TEST("ranks that make different calls diverge, all in the same words") {
  std::vector<std::string> heard(2);
  for_all(joined_meshes(2), kTimeout, [&](HostCollective& collective) {
    heard[static_cast<size_t>(collective.rank())] = thrown_message([&] {
      if (collective.rank() == 0) collective.gather({1});
      collective.sum(1.0);
    });
  });
  expect(heard[0] == heard[1] && heard[0].rfind("RANKS_DIVERGED", 0) == 0, heard[0], " | ", heard[1]);
  for_all(joined_meshes(2), kTimeout, [&](HostCollective& collective) {
    const at::Tensor tensor = at::ones({100000 + collective.rank()});
    heard[static_cast<size_t>(collective.rank())] = thrown_message([&] { collective.sum(std::vector<at::Tensor>{tensor}); });
  });
  expect(heard[0] == heard[1] && heard[0].rfind("RANKS_DIVERGED", 0) == 0, heard[0], " | ", heard[1]);
}

TEST("a frame that was damaged on its way ends the exchange") {
  for (size_t byte = 0; byte < sizeof(FrameHeader); byte += 7) {
    std::vector<Mesh> meshes = joined_meshes(2);
    FrameHeader header = sealed(FrameKind::gather, 1, 0, 0);
    reinterpret_cast<char*>(&header)[byte] ^= 4;
    const iovec part{&header, sizeof header};
    send_some(meshes[1].data[0].get(), &part, 1);
    HostCollective collective(std::move(meshes[0]), kTimeout, kTimeout);
    const std::string heard = thrown_message([&] { collective.gather({}); });
    expect(heard == "RANK_FAILED: rank 1 (host1, process 101) sent a damaged frame.", "byte ", byte, ": ", heard);
  }
}

// A rank in a process of its own that sums for ever.
pid_t start_rank(std::vector<Mesh>& meshes, int rank, double timeout) {
  // Made here: a process that was forked has none of libtorch's threads.
  const std::vector<at::Tensor> tensors = {at::ones({300000})};
  const pid_t child = fork();
  if (child != 0) {
    meshes[static_cast<size_t>(rank)] = {};
    return child;
  }
  Mesh mesh = std::move(meshes[static_cast<size_t>(rank)]);
  meshes.clear();
  try {
    HostCollective collective(std::move(mesh), timeout, timeout);
    while (true) collective.sum(tensors);
  } catch (const std::exception&) {
  }
  _exit(0);
}

// Sums with a rank in another process until that gets a signal; what all others heard, and how long it took.
std::pair<std::vector<std::string>, double> heard_after(int signal, double timeout) {
  std::vector<Mesh> meshes = joined_meshes(3);
  const pid_t child = start_rank(meshes, 2, timeout);
  meshes.pop_back();
  std::vector<std::string> heard(2);
  Clock::time_point sent;
  for_all(std::move(meshes), timeout, [&](HostCollective& collective) {
    heard[static_cast<size_t>(collective.rank())] = thrown_message([&] {
      for (int time = 0;; ++time) {
        if (time == 20 && collective.rank() == 0) {
          sent = Clock::now();
          kill(child, signal);
        }
        collective.sum(std::vector<at::Tensor>{at::ones({300000})});
      }
    });
  });
  const double took = std::chrono::duration<double>(Clock::now() - sent).count();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return {heard, took};
}

TEST("a rank that is killed is noticed at once, and all others name it") {
  const auto [heard, took] = heard_after(SIGKILL, 600);
  expect(heard[0] == "RANK_FAILED: rank 2 (host2, process 102) ended: its connection closed.", heard[0]);
  expect(heard[0] == heard[1], heard[1]);
  expect(took < 10, "after ", took, " s");
}

TEST("a rank that is stopped is noticed within the time-out, and all others name it") {
  const auto [heard, took] = heard_after(SIGSTOP, 2);
  expect(heard[0].rfind("RANK_FAILED: rank 2 (host2, process 102) was ", 0) == 0, heard[0]);
  expect(heard[0] == heard[1], heard[1]);
  expect(took < 10, "after ", took, " s");
}

TEST("digests are those of the standards") {
  const auto text = [](const Digest& digest) {
    std::string hex;
    for (const uint8_t byte : digest) hex += "0123456789abcdef"[byte >> 4], hex += "0123456789abcdef"[byte & 15];
    return hex;
  };
  expect(text(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", text(sha256("abc")));
  expect(text(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
         "of two blocks");
  expect(text(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
             "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
         "of a key");
}

}  // namespace
}  // namespace permafrost
