#include "ops/cuda/kernel_update.h"

#include <algorithm>
#include <cstring>

#include "ops/cuda/arguments.h"

namespace permafrost {

namespace {

constexpr int64_t kThreads = 256;

template <typename T>
at::Tensor upload(const std::vector<T>& values, at::Device device) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(values.size() * sizeof(T))}, at::kByte);
  std::memcpy(bytes.data_ptr(), values.data(), values.size() * sizeof(T));
  return bytes.to(device);
}

// Elements of a tensor of bytes.
template <typename T>
DeviceArray<const T> elements(const at::Tensor& bytes) {
  return {static_cast<const T*>(bytes.data_ptr()), bytes.numel() / static_cast<int64_t>(sizeof(T))};
}

uint64_t address_of(const at::Tensor& x) { return x.defined() ? reinterpret_cast<uintptr_t>(x.data_ptr()) : 0; }

bool takes(const at::Tensor& x, at::ScalarType type) {
  return !x.defined() || (x.scalar_type() == type && x.is_contiguous() && address_of(x) % 16 == 0);
}

bool takes(const UpdateList::Entry& entry) {
  for (const at::Tensor* x : {&entry.value, &entry.grad, &entry.exp_avg, &entry.exp_avg_sq, &entry.gradient_sum}) {
    if (!takes(*x, at::kFloat)) return false;
  }
  return takes(entry.rounded, at::kBFloat16) && entry.step.scalar_type() == at::kFloat;
}

class KernelUpdate : public ListedUpdate {
 public:
  KernelUpdate(DeviceKernels& kernels, const UpdateList& list)
      : kernels_(kernels), list_(list),
        constants_{list.beta1, list.beta2, list.eps, list.max_grad_norm, list.largest_norm,
                   list.max_grad_norm > 0 && list.max_grad_norm <= list.largest_norm} {
    std::vector<UpdatedTensor> tensors;
    std::vector<UpdatedChunk> chunks;
    std::vector<uint64_t> steps;
    for (const UpdateList::Entry& entry : list.entries) {
      const uint64_t step = address_of(entry.step);
      const auto found = std::find(steps.begin(), steps.end(), step);
      const auto step_number = static_cast<int>(found - steps.begin());
      if (found == steps.end()) steps.push_back(step);
      const int64_t count = entry.value.numel();
      for (int64_t begin = 0; begin < count; begin += kUpdateChunk) {
        chunks.push_back({static_cast<int64_t>(tensors.size()), begin});
      }
      tensors.push_back({address_of(entry.value), address_of(entry.grad), address_of(entry.exp_avg),
                         address_of(entry.exp_avg_sq), address_of(entry.gradient_sum), address_of(entry.rounded), count,
                         entry.weight_decay, static_cast<int>(entry.rate), step_number});
    }
    const at::TensorOptions fp32 = list.entries.front().value.options();
    tensors_ = upload(tensors, fp32.device());
    chunks_ = upload(chunks, fp32.device());
    steps_ = upload(steps, fp32.device());
    num_chunks_ = static_cast<int64_t>(chunks.size());
    num_steps_ = static_cast<int32_t>(steps.size());
    squares_ = at::empty({num_chunks_}, fp32);
    corrections_ = at::empty({num_steps_, 2}, fp32);
    outcome_ = at::empty({3}, fp32);
  }

  at::Tensor run(const at::Tensor& rates, const at::Tensor& mean_scale, const at::Tensor& loss) override {
    const auto tensors = elements<UpdatedTensor>(tensors_);
    const auto chunks = elements<UpdatedChunk>(chunks_);
    kernels_.launch("squares", {{num_chunks_}, kThreads, kThreads / 32 * 4}, tensors, chunks, squares_);
    kernels_.launch("decide", {{1}, kDecidingThreads, kDecidingThreads * 8}, squares_, num_chunks_, mean_scale,
                    loss.to(at::kFloat), constants_, elements<uint64_t>(steps_), num_steps_, corrections_, outcome_);
    kernels_.launch("adamw", {{num_chunks_}, kThreads}, tensors, chunks, rates, constants_, mean_scale, corrections_,
                    outcome_);
    return outcome_.select(0, 0);
  }

 private:
  DeviceKernels& kernels_;
  const UpdateList list_;  // keeps alive what the tables point at
  const UpdateConstants constants_;
  at::Tensor tensors_, chunks_, steps_, squares_, corrections_, outcome_;
  int64_t num_chunks_ = 0;
  int32_t num_steps_ = 0;
};

}  // namespace

KernelSource update_kernels() { return {"update.cuh", {"squares", "decide", "adamw"}}; }

std::unique_ptr<ListedUpdate> update_by_kernels(DeviceKernels& kernels, const UpdateList& list) {
  for (const std::string& name : update_kernels().names) {
    if (!kernels.has(name)) return nullptr;
  }
  const auto is_taken = [](const UpdateList::Entry& entry) { return takes(entry); };
  if (list.entries.empty() || !std::all_of(list.entries.begin(), list.entries.end(), is_taken)) return nullptr;
  return std::make_unique<KernelUpdate>(kernels, list);
}

}  // namespace permafrost
