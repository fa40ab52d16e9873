// Copies of weights to come back to.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "core/file.h"
#include "model/parameters.h"

namespace permafrost {

// Bytes of copies that may lie on the model's device, where that is a card, and in memory; what they leave goes to a
// temporary file.
struct SnapshotBudget {
  size_t device = 0;
  size_t memory = 0;
  std::string directory = temporary_directory();

  // Half of what is free: the other half is for what a step takes.
  static SnapshotBudget of(at::Device device);
};

// Of each weight one copy, taken before it first changes: of those that learn at once, of the others when they are
// about to be thawed or overwritten. A snapshot that fails to take a copy leaves the weight as it is.
class Snapshot {
 public:
  // Throws WRITE_FAILED where the disk is full.
  Snapshot(Parameters& parameters, const SnapshotBudget& budget);

  // To be called before the weight changes. Throws WRITE_FAILED.
  void keep(const Parameter& parameter);
  // Puts all weights back.
  void restore(Parameters& parameters) const;

  size_t file_bytes() const { return file_bytes_; }

 private:
  // A tensor, or where that is undefined the place of the bytes in the file.
  struct Copy {
    at::Tensor value;
    size_t offset = 0;
  };
  // Undefined where the budget leaves no room.
  at::Tensor copied(const at::Tensor& value);

  SnapshotBudget left_;
  std::unordered_map<const Parameter*, Copy> copies_;
  std::unique_ptr<UnnamedFile> file_;
  size_t file_bytes_ = 0;
};

}  // namespace permafrost
