#include "device/staging.h"

#include <algorithm>
#include <cstring>

namespace permafrost {

namespace {

c10::Stream current_stream(at::Device device) { return c10::impl::VirtualGuardImpl(device.type()).getStream(device); }

at::Tensor pinned(int64_t count, at::ScalarType type) {
  return at::empty({count}, at::TensorOptions().dtype(type).pinned_memory(true));
}

}  // namespace

struct Staging::Slot {
  at::Tensor pinned, landing;
  // Recorded behind the last use of both.
  c10::Event landed{c10::DeviceType::CUDA};
  c10::Event done{c10::DeviceType::CUDA};
  bool used = false;
};

Staging::Staging(at::Device device, size_t slots) : device_(device), slots_(slots) {
  if (!device.is_cpu()) copy_stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

Staging::~Staging() = default;

void Staging::upload(const std::vector<int32_t>& values, at::Tensor& target) {
  const auto count = static_cast<int64_t>(values.size());
  if (device_.is_cpu()) {
    target.copy_(at::from_blob(const_cast<int32_t*>(values.data()), {count}, at::kInt));  // only read
    return;
  }
  std::unique_ptr<Slot>& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  if (!slot) slot = std::make_unique<Slot>();
  if (slot->used) wait_for(slot->done);
  if (!slot->pinned.defined() || slot->pinned.numel() < count) {
    const int64_t size = std::max<int64_t>(4096, count);
    slot->pinned = pinned(size, at::kInt);
    slot->landing = at::empty({size}, at::TensorOptions().dtype(at::kInt).device(device_));
    // The block may have been freed by work that still runs on the computing stream.
    slot->done.record(current_stream(device_));
    slot->done.block(*copy_stream_);
  }
  std::memcpy(slot->pinned.data_ptr<int32_t>(), values.data(), values.size() * sizeof(int32_t));
  at::Tensor landing = slot->landing.slice(0, 0, count);
  {
    const c10::StreamGuard guard(*copy_stream_);
    landing.copy_(slot->pinned.slice(0, 0, count), /*non_blocking=*/true);
    slot->landed.record(*copy_stream_);
  }
  const c10::Stream computing = current_stream(device_);
  slot->landed.block(computing);
  target.copy_(landing);
  slot->done.record(computing);
  slot->used = true;
}

Readback::Readback(const at::Tensor& numbers) {
  if (numbers.is_cpu()) {
    host_ = numbers.clone();
    return;
  }
  host_ = pinned(numbers.numel(), at::kFloat);
  host_.copy_(numbers, /*non_blocking=*/true);
  arrived_ = std::make_shared<c10::Event>(c10::DeviceType::CUDA);
  arrived_->record(current_stream(numbers.device()));
}

std::vector<float> Readback::read() const {
  if (arrived_) wait_for(*arrived_);
  const float* data = host_.data_ptr<float>();
  return {data, data + host_.numel()};
}

}  // namespace permafrost
