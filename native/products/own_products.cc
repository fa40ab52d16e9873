#include <omp.h>

#include <vector>

#include "core/error.h"
#include "products/libraries.h"

namespace permafrost {

namespace {

Number number_of(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16 ? Number::bf16 : Number::fp32; }

// Panels as the kernels of one level left them.
class Panels : public PackedMatrix {
 public:
  Panels(const CpuKernels& kernels, const at::Tensor& b_KN) {
    const int64_t N = b_KN.size(1), K = b_KN.size(0);
    floats_ = at::empty({kernels.packed_product(number_of(b_KN), N, K)}, at::TensorOptions().dtype(at::kFloat));
    kernels.pack_product(number_of(b_KN), b_KN.data_ptr(), b_KN.stride(0), b_KN.stride(1), N, K,
                         floats_.data_ptr<float>());
  }

  size_t bytes() const override { return floats_.nbytes(); }
  const float* data() const { return floats_.data_ptr<float>(); }

 private:
  at::Tensor floats_;
};

class OwnProducts : public ProductLibrary {
 public:
  explicit OwnProducts(const CpuKernels& kernels) : kernels_(kernels) {}

  const char* name() const override { return "own"; }
  std::string description() const override { return "permafrost's kernels"; }
  bool multiplies(at::ScalarType type) const override { return type == at::kFloat || type == at::kBFloat16; }

  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    run(product_of(out_MN, a_MK, b_KN, add));
  }

  void multiply_with_bias(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                          const PackedMatrix* packed, const at::Tensor& bias_N) override {
    Product product = product_of(out_MN, a_MK, b_KN, false);
    if (packed != nullptr) product.packed = static_cast<const Panels*>(packed)->data();
    product.bias = bias_N.data_ptr<float>();
    run(product);
  }

  bool packs_alike() const override { return true; }
  std::unique_ptr<PackedMatrix> pack(const at::Tensor& b_KN) override { return std::make_unique<Panels>(kernels_, b_KN); }

  void multiply_packed(at::Tensor& out_MN, const at::Tensor& a_MK, const PackedMatrix& b_KN, bool add) override {
    Product product = product_of(out_MN, a_MK, add);
    product.packed = static_cast<const Panels&>(b_KN).data();
    run(product);
  }

 private:
  static Product product_of(at::Tensor& out_MN, const at::Tensor& a_MK, bool add) {
    Product product{};
    product.M = out_MN.size(0);
    product.N = out_MN.size(1);
    product.K = a_MK.size(1);
    product.a = a_MK.data_ptr();
    product.a_row = a_MK.stride(0);
    product.a_column = a_MK.stride(1);
    product.c = out_MN.data_ptr();
    product.c_row = out_MN.stride(0);
    product.add = add;
    product.factors = number_of(a_MK);
    product.result = number_of(out_MN);
    product.activation = -1;
    return product;
  }

  static Product product_of(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) {
    Product product = product_of(out_MN, a_MK, add);
    product.b = b_KN.data_ptr();
    product.b_row = b_KN.stride(0);
    product.b_column = b_KN.stride(1);
    return product;
  }

  void run(const Product& product) {
    if (product.M == 0 || product.N == 0) return;
    const auto needed = static_cast<size_t>(kernels_.product_scratch(product, omp_get_max_threads()));
    if (scratch_.size() < needed) scratch_.resize(needed);
    kernels_.product(product, scratch_.data());
  }

  const CpuKernels& kernels_;
  std::vector<float> scratch_;
};

}  // namespace

std::unique_ptr<ProductLibrary> own_products(const CpuKernels& kernels) { return std::make_unique<OwnProducts>(kernels); }

}  // namespace permafrost
