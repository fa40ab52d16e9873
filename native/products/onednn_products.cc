// oneDNN's row-major product (dnnl.h): C = alpha op(A) op(B) + beta C. Distributions' builds of libtorch depend on
// oneDNN and on a BLAS that they leave to the user; oneDNN shares libtorch's threads and is the faster one, most of all
// for small matrices.
#include <optional>

#include "core/blas.h"
#include "core/error.h"
#include "products/libraries.h"

namespace permafrost {

namespace {

using Sgemm = int (*)(char transpose_a, char transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* a,
                      int64_t a_stride, const float* b, int64_t b_stride, float beta, float* c, int64_t c_stride);

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

class OneDnnProducts : public ProductLibrary {
 public:
  explicit OneDnnProducts(Sgemm sgemm) : sgemm_(sgemm), otherwise_(libtorch_products()) {}

  const char* name() const override { return "onednn"; }
  std::string description() const override { return "oneDNN"; }
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

}  // namespace

std::unique_ptr<ProductLibrary> onednn_products() {
  const auto sgemm = reinterpret_cast<Sgemm>(dependency_symbol("dnnl_sgemm"));
  return sgemm != nullptr ? std::make_unique<OneDnnProducts>(sgemm) : nullptr;
}

}  // namespace permafrost
