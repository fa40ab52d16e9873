// Where ranks meet that train one model together, each on its share of every batch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

using Bytes = std::vector<uint8_t>;

// What one rank gives to a sum over leaves 0..n-1: that of the leaves [first, first + count) of each tensor.
//
// Sums are trees: a stretch of leaves is the sum of its two parts, of which the left one has the largest power of two
// below its length, so that the bits do not depend on which rank had which leaves. A partial sum is a node of that tree.
struct PartialSum {
  int64_t first = 0;
  int64_t count = 1;
  std::vector<at::Tensor> tensors;
};

// All ranks make the same calls in the same order, one at a time. Throws RANK_FAILED where another rank is gone, silent
// for too long, or gave up; from then on every call does.
class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Writes the sum of `leaves` leaves into `sums`, the same bits on each rank. Tensors are contiguous, of one shape and
  // type (float, double or int64) on all ranks; `sums` may be the tensors of a partial sum.
  virtual void sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& sums) = 0;
  // The bytes of every rank, by rank; lengths may differ.
  virtual std::vector<Bytes> gather(const Bytes& bytes) = 0;
  // Replaces each tensor by that of one rank.
  virtual void broadcast(const std::vector<at::Tensor>& tensors, int from) = 0;
  // Bytes that this rank has sent to others so far.
  virtual int64_t bytes_sent() const = 0;

  // Replaces each tensor by its sum over the ranks.
  void sum(const std::vector<at::Tensor>& tensors) { sum({{rank(), 1, tensors}}, size(), tensors); }
  // The sum of a number over the ranks.
  double sum(double number) {
    const at::Tensor sum = at::full({1}, number, at::kDouble);
    this->sum(std::vector<at::Tensor>{sum});
    return sum.item<double>();
  }
};

// A rank that trains by itself.
class Alone : public Collective {
 public:
  using Collective::sum;
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(const std::vector<PartialSum>&, int64_t, const std::vector<at::Tensor>&) override {}
  std::vector<Bytes> gather(const Bytes& bytes) override { return {bytes}; }
  void broadcast(const std::vector<at::Tensor>&, int) override {}
  int64_t bytes_sent() const override { return 0; }
};

}  // namespace permafrost
