#include <omp.h>

#include <vector>

#include "products/libraries.h"

namespace permafrost {

namespace {

class OwnProducts : public ProductLibrary {
 public:
  explicit OwnProducts(const CpuKernels& kernels) : kernels_(kernels) {}

  const char* name() const override { return "own"; }
  std::string description() const override { return "permafrost"; }
  bool multiplies(at::ScalarType type) const override { return type == at::kFloat; }

  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    const auto needed = static_cast<size_t>(
        kernels_.product_scratch(b_KN.size(1), b_KN.size(0), static_cast<int64_t>(omp_get_max_threads())));
    if (scratch_.size() < needed) scratch_.resize(needed);
    kernels_.product({out_MN.size(0), out_MN.size(1), a_MK.size(1), a_MK.data_ptr<float>(), a_MK.stride(0),
                      a_MK.stride(1), b_KN.data_ptr<float>(), b_KN.stride(0), b_KN.stride(1), out_MN.data_ptr<float>(),
                      out_MN.stride(0), add},
                     scratch_.data());
  }

 private:
  const CpuKernels& kernels_;
  std::vector<float> scratch_;
};

}  // namespace

std::unique_ptr<ProductLibrary> own_products(const CpuKernels& kernels) { return std::make_unique<OwnProducts>(kernels); }

}  // namespace permafrost
