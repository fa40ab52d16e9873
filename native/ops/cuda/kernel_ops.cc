#include "ops/cuda/kernel_ops.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>

#include "core/error.h"
#include "device/compiled_kernels.h"
#include "device/nvidia_driver.h"
#include "ops/cuda/kernel_attention.h"
#include "ops/cuda/kernel_check.h"
#include "ops/cuda/kernel_update.h"

namespace permafrost {

namespace {

bool has_all(const DeviceKernels& kernels, const KernelSource& source) {
  for (const std::string& name : source.names) {
    if (!kernels.has(name)) return false;
  }
  return !source.names.empty();
}

// Those of a device and a type of model.
struct CheckedKernels {
  std::shared_ptr<DeviceKernels> kernels;  // null where there are none
  std::string problem;
};

// What an agreement with libtorch's operations depends on besides.
std::string facts_of(at::Device device, at::ScalarType type, int64_t head_size) {
  const NvidiaDriver driver = describe_nvidia_driver();
  const auto card = static_cast<size_t>(device.index());
  std::string facts = std::string("\n") + libtorch_build_version() + "\n" + driver.version + "\n";
  if (card < driver.cards.size()) facts += driver.cards[card].name;
  return facts + "\n" + c10::toString(type) + "\n" + std::to_string(head_size);
}

constexpr char kAllAgree[] = "all kernels agree";

// Compiled, loaded and checked at the first call in the process; engines share them, and they stay until it ends.
CheckedKernels checked_kernels(at::Device device, at::ScalarType type, int64_t head_size) {
  using Key = std::tuple<int, at::ScalarType, int64_t>;
  static std::mutex mutex;
  static std::map<Key, CheckedKernels> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const Key key{device.index(), type, head_size};
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  CheckedKernels result;
  const KernelCache cache(cache_directory());
  std::string subject, spoilt;
  try {
    std::unique_ptr<CompiledKernels> compiled = compile_kernels(device, KernelOps::sources(type, head_size));
    result.problem = compiled->problem();
    subject = compiled->identity() + facts_of(device, type, head_size);
    auto checked = std::make_shared<KernelGate>(std::move(compiled));
    // That all agree is kept beside the compiled kernels, and so is that one spoilt the device; what disagreed is asked again
    // by the next process.
    const auto verdict = cache.read("checked", subject);
    if (verdict && verdict->image != kAllAgree) throw std::runtime_error("in an earlier process " + verdict->image);
    if (!verdict) {
      const std::string refused = refuse_wrong_kernels(checked, device, type, head_size);
      if (refused.empty()) {
        cache.write("checked", subject, {kAllAgree, {}});
      } else {
        result.problem += (result.problem.empty() ? "" : "; ") + refused;
      }
    }
    result.kernels = checked;
  } catch (const DeviceSpoilt& error) {
    spoilt = error.what();
  } catch (const std::runtime_error& error) {
    result.problem = error.what();
  }
  if (!spoilt.empty()) {
    cache.write("checked", subject, {spoilt, {}});
    fail(ErrorCode::DEVICE_UNAVAILABLE, "device: ", spoilt,
         ". Start the process anew with PERMAFROST_KERNELS=libtorch, which uses libtorch's operations alone.");
  }
  return known[key] = result;
}

}  // namespace

KernelOps::KernelOps(at::Device device, at::ScalarType type, int64_t head_size, std::shared_ptr<DeviceKernels> kernels,
                     const std::string& problem)
    : CudaOps(device, type, head_size, problem),
      kernels_(std::move(kernels)),
      rows_(*kernels_, type),
      has_attention_(type == at::kBFloat16 && has_all(*kernels_, attention_source(head_size))),
      attention_name_(has_attention_ ? std::string("own, longer sequences ") + CudaOps::attention_name()
                                     : CudaOps::attention_name()) {}

std::vector<KernelSource> KernelOps::sources(at::ScalarType type, int64_t head_size) {
  std::vector<KernelSource> all = RowKernels::sources(type);
  all.push_back(update_kernels());
  if (type == at::kBFloat16) all.push_back(attention_source(head_size));
  return all;
}

void KernelOps::begin_pass() {
  CudaOps::begin_pass();
  rows_.begin_pass();
}

void KernelOps::embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                      const at::Tensor& token_type_YH, at::Tensor& sum_TH) {
  if (rows_.embed(batch, word_VH, position_PH, token_type_YH, sum_TH)) return;
  CudaOps::embed(batch, word_VH, position_PH, token_type_YH, sum_TH);
}

void KernelOps::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                               const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  if (rows_.embed_backward(batch, dsum_TH, pad_token_id, dword, dposition, dtoken_type)) return;
  CudaOps::embed_backward(batch, dsum_TH, pad_token_id, dword, dposition, dtoken_type);
}

void KernelOps::layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                           const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps,
                           at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) {
  if (rows_.layer_norm(sum_TH, bias_H, residual_TH, dropout, weight_H, norm_bias_H, eps, y_TH, mean_T, rstd_T)) return;
  CudaOps::layer_norm(sum_TH, bias_H, residual_TH, dropout, weight_H, norm_bias_H, eps, y_TH, mean_T, rstd_T);
}

void KernelOps::layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                                    const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                                    at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                                    const GradSink& dnorm_bias, const GradSink& dbias) {
  if (rows_.layer_norm_backward(dy_TH, sum_TH, rstd_T, weight_H, dropout, dsum_TH, dbranch_TH, dweight, dnorm_bias,
                                dbias)) {
    return;
  }
  CudaOps::layer_norm_backward(dy_TH, sum_TH, mean_T, rstd_T, weight_H, dropout, dsum_TH, dbranch_TH, dweight,
                               dnorm_bias, dbias);
}

void KernelOps::activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) {
  if (!rows_.activate(pre_TI, bias_I, activation, y_TI)) CudaOps::activate(pre_TI, bias_I, activation, y_TI);
}

void KernelOps::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                  const GradSink& dbias) {
  if (!rows_.activate_backward(dy_TI, pre_TI, activation, dbias)) {
    CudaOps::activate_backward(dy_TI, pre_TI, activation, dbias);
  }
}

void KernelOps::activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation, const GradSink& dbias) {
  if (!rows_.activate_backward(dy_TI, pre_TI, activation, dbias, /*leaves_activation=*/true)) {
    CudaOps::activate_and_back(dy_TI, pre_TI, activation, dbias);
  }
}

// The same for both ways of a pass: it depends on the batch alone.
bool KernelOps::attends(const BatchTensors& batch) const { return has_attention_ && attention_is_short(batch.longest); }

void KernelOps::attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                          const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  if (attends(batch)) {
    kernel_attention(*kernels_, batch, qkv_T3H, bias_3H, num_heads, dropout, y_TH, lse_TN);
  } else {
    CudaOps::attention(batch, qkv_T3H, bias_3H, num_heads, dropout, y_TH, lse_TN);
  }
}

void KernelOps::attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                   const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                   const Dropout& dropout, at::Tensor& dqkv_T3H) {
  if (attends(batch)) {
    kernel_attention_backward(*kernels_, batch, dy_TH, qkv_T3H, y_TH, lse_TN, num_heads, dropout, dqkv_T3H);
  } else {
    CudaOps::attention_backward(batch, dy_TH, qkv_T3H, y_TH, lse_TN, num_heads, dropout, dqkv_T3H);
  }
}

void KernelOps::dropout(at::Tensor& x_TH, const Dropout& dropout) {
  if (!rows_.dropout(x_TH, dropout)) CudaOps::dropout(x_TH, dropout);
}

void KernelOps::bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) {
  if (rows_.bias_backward(dy_TH, dbias)) return;
  // Sums into the same memory come one after another.
  rows_.finish_sums();
  CudaOps::bias_backward(dy_TH, dbias);
}

at::Tensor KernelOps::cross_entropy_on_device(const at::Tensor& logits_TC, const at::Tensor& labels_T,
                                              const at::Tensor& scale, at::Tensor& dlogits_TC) {
  at::Tensor loss;
  if (rows_.cross_entropy(logits_TC, labels_T, scale, dlogits_TC, loss)) return loss;
  return CudaOps::cross_entropy_on_device(logits_TC, labels_T, scale, dlogits_TC);
}

std::unique_ptr<ListedUpdate> KernelOps::listed_update(const UpdateList& list) { return update_by_kernels(*kernels_, list); }

std::unique_ptr<Ops> make_card_ops(at::Device device, at::ScalarType type, int64_t head_size) {
  const char* wanted = std::getenv("PERMAFROST_KERNELS");
  if (wanted != nullptr && std::string(wanted) == "libtorch") {
    return std::make_unique<CudaOps>(device, type, head_size, "PERMAFROST_KERNELS asks for libtorch's");
  }
  const CheckedKernels checked = checked_kernels(device, type, head_size);
  if (!checked.kernels) return std::make_unique<CudaOps>(device, type, head_size, checked.problem);
  return std::make_unique<KernelOps>(device, type, head_size, checked.kernels, checked.problem);
}

}  // namespace permafrost
