#include "core/matrix_product.h"

#include <optional>

#include "core/blas.h"

namespace permafrost {

namespace {

// oneDNN's row-major product (dnnl.h): C = alpha op(A) op(B) + beta C. Distributions' builds of libtorch depend on
// oneDNN and on a BLAS that they leave to the user; oneDNN shares libtorch's threads and is the faster one, most of all
// for small matrices. Builds that bring MKL keep oneDNN to themselves, and MKL is faster still.
using Sgemm = int (*)(char transpose_a, char transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float* a,
                      int64_t a_stride, const float* b, int64_t b_stride, float beta, float* c, int64_t c_stride);

Sgemm onednn_sgemm() {
  static const auto sgemm = reinterpret_cast<Sgemm>(dependency_symbol("dnnl_sgemm"));
  return sgemm;
}

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

}  // namespace

bool multiplies_by_onednn() { return onednn_sgemm() != nullptr; }

bool multiply_by_onednn(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) {
  const Sgemm sgemm = onednn_sgemm();
  if (sgemm == nullptr || !out_MN.is_cpu() || out_MN.scalar_type() != at::kFloat) return false;
  const std::optional<Operand> a = operand_of(a_MK), b = operand_of(b_KN), out = operand_of(out_MN);
  if (!a || !b || !out || out->transposed == 'T') return false;
  constexpr int kSuccess = 0;
  return sgemm(a->transposed, b->transposed, out_MN.size(0), out_MN.size(1), a_MK.size(1), 1.0f, a->data, a->stride,
               b->data, b->stride, add ? 1.0f : 0.0f, out_MN.data_ptr<float>(), out->stride) == kSuccess;
}

}  // namespace permafrost
