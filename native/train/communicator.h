// Where ranks meet that train one model together, each on its share of every batch.
#pragma once

#include <vector>

#include "core/libtorch.h"

namespace permafrost {

// All ranks make the same calls in the same order. Sums are added up in the order of the ranks, so that each rank gets
// the same bits.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Replaces each tensor by its sum over the ranks.
  virtual void sum(const std::vector<at::Tensor>& tensors) = 0;
  // The sum of a number over the ranks, in double precision.
  virtual double sum(double number) = 0;
};

// A rank that trains by itself.
class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(const std::vector<at::Tensor>&) override {}
  double sum(double number) override { return number; }
};

}  // namespace permafrost
