#include "model/snapshot.h"

#include <unistd.h>

#include <algorithm>

#include "core/available_memory.h"
#include "device/cuda_graph.h"
#include "device/nvidia_driver.h"

namespace permafrost {

namespace {

size_t half_of_free_memory(at::Device device) {
  const NvidiaDriver driver = describe_nvidia_driver();
  const auto card = static_cast<size_t>(device.index());
  if (card >= driver.cards.size()) return 0;
  const auto total = static_cast<size_t>(driver.cards[card].memory_bytes);
  return (total - std::min(total, device_memory(device).peak)) / 2;
}

}  // namespace

SnapshotBudget SnapshotBudget::of(at::Device device) {
  SnapshotBudget budget;
  if (device.is_cuda()) budget.device = half_of_free_memory(device);
  budget.memory = available_memory() / 2;
  return budget;
}

Snapshot::Snapshot(Parameters& parameters, const SnapshotBudget& budget) : left_(budget) {
  for (const Parameter& parameter : parameters.stored()) {
    if (parameter.requires_grad) keep(parameter);
  }
}

void Snapshot::keep(const Parameter& parameter) {
  if (copies_.count(&parameter) > 0) return;
  Copy copy{copied(parameter.value), file_bytes_};
  if (!copy.value.defined()) {
    if (!file_) file_ = std::make_unique<UnnamedFile>(left_.directory, "a snapshot of the weights");
    const at::Tensor value = parameter.value.to(at::kCPU);
    // An earlier copy may have failed half way.
    lseek(file_->descriptor(), static_cast<off_t>(file_bytes_), SEEK_SET);
    write_all(file_->descriptor(), value.data_ptr<float>(), value.nbytes());
    file_bytes_ += value.nbytes();
  }
  copies_.emplace(&parameter, std::move(copy));
}

at::Tensor Snapshot::copied(const at::Tensor& value) {
  const size_t bytes = value.nbytes();
  if (!value.is_cpu() && bytes <= left_.device) {
    try {
      at::Tensor copy = value.clone();
      left_.device -= bytes;
      return copy;
    } catch (const c10::OutOfMemoryError&) {
      // Others use the card as well; memory is next.
      left_.device = 0;
    }
  }
  if (bytes > left_.memory) return {};
  left_.memory -= bytes;
  return value.to(at::kCPU, value.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

void Snapshot::restore(Parameters& parameters) const {
  for (Parameter& parameter : parameters.stored()) {
    const auto found = copies_.find(&parameter);
    if (found == copies_.end()) continue;
    if (found->second.value.defined()) {
      parameter.value.copy_(found->second.value);
      continue;
    }
    at::Tensor read = at::empty(parameter.value.sizes(), at::kFloat);
    read_all(file_->descriptor(), read.data_ptr<float>(), read.nbytes(), static_cast<int64_t>(found->second.offset));
    parameter.value.copy_(read);
  }
}

}  // namespace permafrost
