// oneDNN in either way in which libtorch lets it be reached.
//
// Distributions' builds depend on it, so that it can be called itself. Wheels keep its interface to themselves; since
// 2.0 their dispatcher has an operation for linear maps, `mkldnn::_linear_pointwise`, which gives a new tensor.
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <sstream>

#include "core/blas.h"
#include "core/error.h"
#include "products/libraries.h"

namespace permafrost {

namespace {

// oneDNN's row-major product (dnnl.h): C = alpha op(A) op(B) + beta C.
using Sgemm = int (*)(char transpose_a, char transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* a,
                      int64_t a_stride, const float* b, int64_t b_stride, float beta, float* c, int64_t c_stride);

Sgemm sgemm_symbol() { return reinterpret_cast<Sgemm>(dependency_symbol("dnnl_sgemm")); }

struct Operand {
  const float* data;
  char transposed;
  int64_t stride;
};

// A matrix as a BLAS takes it; nothing where neither its rows nor its columns are contiguous.
std::optional<Operand> operand_of(const at::Tensor& x) {
  const float* data = x.data_ptr<float>();
  if (x.stride(1) == 1 && x.stride(0) >= x.size(1)) return Operand{data, 'N', x.stride(0)};
  if (x.stride(0) == 1 && x.stride(1) >= x.size(0)) return Operand{data, 'T', x.stride(1)};
  return std::nullopt;
}

class OneDnnItself : public ProductLibrary {
 public:
  explicit OneDnnItself(Sgemm sgemm) : sgemm_(sgemm), otherwise_(libtorch_products()) {}

  const char* name() const override { return "onednn"; }

  std::string description() const override {
    // dnnl_version_t begins with three numbers.
    const auto version = reinterpret_cast<const int* (*)()>(dependency_symbol("dnnl_version"));
    if (version == nullptr) return "oneDNN";
    const int* numbers = version();
    std::ostringstream text;
    text << "oneDNN " << numbers[0] << '.' << numbers[1] << '.' << numbers[2];
    return text.str();
  }

  bool multiplies(at::ScalarType type) const override { return type == at::kFloat; }

  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    const std::optional<Operand> a = operand_of(a_MK), b = operand_of(b_KN), out = operand_of(out_MN);
    constexpr int kSuccess = 0;
    const bool done = a && b && out && out->transposed == 'N' &&
                      sgemm_(a->transposed, b->transposed, out_MN.size(0), out_MN.size(1), a_MK.size(1), 1.0f, a->data,
                             a->stride, b->data, b->stride, add ? 1.0f : 0.0f, out_MN.data_ptr<float>(),
                             out->stride) == kSuccess;
    if (!done) otherwise_->multiply(out_MN, a_MK, b_KN, add);
  }

 private:
  const Sgemm sgemm_;
  const std::unique_ptr<ProductLibrary> otherwise_;
};

class ReorderedWeight : public PackedMatrix {
 public:
  ReorderedWeight(at::Tensor weight, size_t bytes) : weight(std::move(weight)), bytes_(bytes) {}
  size_t bytes() const override { return bytes_; }

  const at::Tensor weight;  // opaque to all but oneDNN

 private:
  const size_t bytes_;
};

// The operation takes its first factor as it lies, and copies one whose rows are not contiguous, as those of a
// gradient's dy^T; the second may be transposed.
class OneDnnByDispatcher : public ProductLibrary {
 public:
  OneDnnByDispatcher(c10::OperatorHandle linear, std::optional<c10::OperatorHandle> reorder)
      : linear_(std::move(linear)), reorder_(std::move(reorder)) {}

  const char* name() const override { return "onednn"; }
  std::string description() const override {
    const std::string settings = at::show_config();
    const std::string key = "MKL-DNN v";
    const size_t at = settings.find(key);
    if (at == std::string::npos) return "oneDNN of libtorch";
    const size_t begin = at + key.size();
    return "oneDNN " + settings.substr(begin, settings.find_first_of(" \n", begin) - begin) + " of libtorch";
  }
  bool multiplies(at::ScalarType type) const override {
    return type == at::kFloat || (type == at::kBFloat16 && multiplies_bf16_fast());
  }

  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    if (a_MK.numel() == 0 || b_KN.numel() == 0) {
      if (!add) out_MN.zero_();
      return;
    }
    put(out_MN, call(a_MK, b_KN.t()), add);
  }

  std::unique_ptr<PackedMatrix> pack(const at::Tensor& b_KN) override {
    const at::Tensor weight_NK = b_KN.t();
    if (!reorder_ || !weight_NK.is_contiguous()) return nullptr;
    torch::jit::Stack stack{weight_NK};
    // Later versions are told the rows, and reorder once more where those are others.
    if (reorder_->schema().arguments().size() > 1) stack.emplace_back();
    reorder_->callBoxed(stack);
    return std::make_unique<ReorderedWeight>(stack[0].toTensor(), weight_NK.nbytes());
  }

  void multiply_packed(at::Tensor& out_MN, const at::Tensor& a_MK, const PackedMatrix& b_KN, bool add) override {
    if (a_MK.numel() == 0) return;
    put(out_MN, call(a_MK, static_cast<const ReorderedWeight&>(b_KN).weight), add);
  }

 private:
  at::Tensor call(const at::Tensor& x_MK, const at::Tensor& weight_NK) const {
    const c10::impl::GenericList no_numbers(c10::OptionalType::create(c10::NumberType::get()));
    torch::jit::Stack stack{x_MK, weight_NK, c10::IValue(), std::string("none"), no_numbers, c10::IValue()};
    linear_.callBoxed(stack);
    return stack[0].toTensor();
  }

  static void put(at::Tensor& out_MN, const at::Tensor& product_MN, bool add) {
    add ? out_MN.add_(product_MN) : out_MN.copy_(product_MN);
  }

  const c10::OperatorHandle linear_;
  const std::optional<c10::OperatorHandle> reorder_;
};

std::optional<c10::OperatorHandle> operation(const char* name) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found) return std::nullopt;
  return *found;
}

// The arguments that later versions keep as they are; another schema is another operation.
bool is_known(const c10::OperatorHandle& linear) {
  const auto& arguments = linear.schema().arguments();
  const char* names[] = {"X", "W", "B", "attr", "scalars", "algorithm"};
  if (arguments.size() != std::size(names)) return false;
  for (size_t i = 0; i < std::size(names); ++i) {
    if (arguments[i].name() != names[i]) return false;
  }
  return linear.hasKernelForDispatchKey(c10::DispatchKey::CPU);
}

}  // namespace

bool brings_onednn() { return sgemm_symbol() != nullptr; }

std::unique_ptr<ProductLibrary> onednn_products() {
  if (brings_onednn()) return std::make_unique<OneDnnItself>(sgemm_symbol());
  const auto linear = operation("mkldnn::_linear_pointwise");
  if (!linear || !is_known(*linear)) return nullptr;
  return std::make_unique<OneDnnByDispatcher>(*linear, operation("mkldnn::_reorder_linear_weight"));
}

}  // namespace permafrost
