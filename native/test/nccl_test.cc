// Ranks on cards, by a stand-in for NCCL that takes tensors in memory: which calls they make, in which order.
#include "distributed/nccl_collective.h"

#include <cstdlib>
#include <memory>

#include "test/meshes.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::for_all;
using testing::joined_meshes;

constexpr double kTimeout = 20;

void with_cards(int size, const std::function<void(NcclCollective&)>& body) {
  setenv("PERMAFROST_NCCL", FAKE_NCCL, 1);
  for_all(joined_meshes(size), kTimeout, [&](std::shared_ptr<HostCollective> host) {
    NcclCollective collective(host, at::kCPU);
    body(collective);
  });
}

TEST("ranks on cards sum, gather and spread tensors by NCCL") {
  for (int size = 1; size <= 4; ++size) {
    with_cards(size, [&](NcclCollective& collective) {
      const int rank = collective.rank();
      // More than the stand-in moves at a time, of each type, and none at all.
      const std::vector<at::Tensor> tensors = {at::full({50001}, rank + 1.0, at::kFloat), at::full({3}, 0.5 * rank, at::kDouble),
                                               at::full({7}, rank, at::kLong), at::empty({0})};
      collective.sum(tensors);
      const double total = size * (size + 1) / 2.0;
      expect(at::equal(tensors[0], at::full({50001}, total, at::kFloat)), "floats are not summed");
      expect(at::equal(tensors[1], at::full({3}, 0.5 * (total - size), at::kDouble)), "doubles are not summed");
      expect(at::equal(tensors[2], at::full({7}, total - size, at::kDouble).to(at::kLong)), "integers are not summed");
      const std::vector<Bytes> all = collective.gather(Bytes(3, static_cast<uint8_t>(rank)));
      expect(all.back() == Bytes(3, static_cast<uint8_t>(size - 1)), "bytes are not gathered");
      const std::vector<at::Tensor> spread = {at::full({40000}, rank, at::kDouble), at::full({1}, rank, at::kFloat)};
      collective.broadcast(spread, size - 1);
      expect(at::equal(spread[0], at::full({40000}, size - 1.0, at::kDouble)), "tensors are not spread");
      expect(spread[1].item<float>() == static_cast<float>(size - 1), "tensors are not spread");
    });
  }
}

TEST("ranks on cards add their own leaves in their order, also where one has none, or the sum is written over one") {
  with_cards(3, [&](NcclCollective& collective) {
    const auto value = [](double number) { return at::full({5}, number, at::kFloat); };
    std::vector<PartialSum> partials;
    // 2^24 and two ones: the order of the leaves shows in the last bit.
    if (collective.rank() == 0) partials = {{1, 1, {value(1)}}, {2, 1, {value(1)}}, {0, 1, {value(16777216)}}};
    if (collective.rank() == 2) partials = {{3, 1, {value(2)}}};
    const std::vector<at::Tensor> sums = partials.empty() ? std::vector<at::Tensor>{value(9)} : partials[0].tensors;
    collective.sum(partials, 4, sums);
    expect(at::equal(sums[0], value(16777218)), "the sum is ", sums[0][0].item<float>());
  });
}

TEST("NCCL's refusal of calls that do not match ends all ranks") {
  for (int which = 0; which < 2; ++which) {
    setenv("PERMAFROST_NCCL", FAKE_NCCL, 1);
    for_all(joined_meshes(2), kTimeout, [&](std::shared_ptr<HostCollective> host) {
      NcclCollective collective(host, at::kCPU);
      const auto body = [&] { collective.sum(std::vector<at::Tensor>{at::ones({5 + which * host->rank()})}); };
      if (which == 0) return body();
      bool failed = false;
      try {
        body();
      } catch (const Error& error) {
        failed = true;
      }
      expect(failed, "calls that do not match went through");
      expect(testing::thrown_code([&] { host->gather({}); }) == ErrorCode::RANK_FAILED, "the group goes on");
    });
  }
}

}  // namespace
}  // namespace permafrost
