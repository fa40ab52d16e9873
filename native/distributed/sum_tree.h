// The one order in which leaves are summed, and where the elements of several tensors lie in one stretch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// A stretch of leaves.
struct Leaves {
  int64_t first = 0, count = 1;
};

// Additions that make one sum of the partial sums of a tree, in their order: value `a` plus value `b` becomes value
// `sum`. The partial sums are values 0 .. n-1; those that are made have the numbers behind them, the last one is the sum.
struct SumTree {
  struct Addition {
    int a, b, sum;
  };
  std::vector<Addition> additions;
  int values = 0;
  int root = 0;
};

// The tree over `leaves` leaves (see PartialSum). Throws INTERNAL where the partials are no nodes of it, or do not cover
// each leaf once.
SumTree plan_sum(const std::vector<Leaves>& partials, int64_t leaves);

// Some bytes of one tensor.
struct Segment {
  size_t tensor;
  int64_t offset;  // in the tensor
  int64_t at;      // in the stretch
  int64_t bytes;
};

// Tensors laid end to end, each from a multiple of 8 bytes on, so that a cut at one cuts no element.
class Layout {
 public:
  explicit Layout(const std::vector<at::Tensor>& tensors);
  int64_t bytes() const { return bytes_; }
  // Those of [begin, end), multiples of 8.
  std::vector<Segment> segments(int64_t begin, int64_t end) const;
  at::ScalarType type(size_t tensor) const { return items_[tensor].type; }
  // Equal where types and sizes are.
  uint64_t digest() const;

 private:
  struct Item {
    int64_t at, bytes;
    at::ScalarType type;
  };
  std::vector<Item> items_;
  int64_t bytes_ = 0;
};

// Adds up a stretch by a tree. `values[i]`: where partial i has its bytes of this stretch; `sum` may be one of them.
void add_up(const SumTree& tree, at::ScalarType type, const std::vector<const char*>& values, char* sum, int64_t bytes);

}  // namespace permafrost
