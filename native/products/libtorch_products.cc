#include "core/blas.h"
#include "products/libraries.h"

namespace permafrost {

namespace {

class LibtorchProducts : public ProductLibrary {
 public:
  const char* name() const override { return "libtorch"; }
  std::string description() const override { return blas_name(); }
  bool multiplies(at::ScalarType) const override { return true; }

  void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) override {
    if (out_MN.scalar_type() != a_MK.scalar_type()) {
      const at::Tensor product_MN = at::mm(a_MK, b_KN);
      add ? out_MN.add_(product_MN) : out_MN.copy_(product_MN);
    } else if (add) {
      out_MN.addmm_(a_MK, b_KN);
    } else {
      at::mm_out(out_MN, a_MK, b_KN);
    }
  }
};

}  // namespace

std::unique_ptr<ProductLibrary> libtorch_products() { return std::make_unique<LibtorchProducts>(); }

}  // namespace permafrost
