#include "core/blas.h"
#include "products/libraries.h"

namespace permafrost {

namespace {

// The BLAS with its version, as far as it tells that.
std::string blas_description() {
  const auto config = reinterpret_cast<const char* (*)()>(dependency_symbol("openblas_get_config"));
  if (config != nullptr) {
    const std::string text = config();  // OpenBLAS 0.3.21 NO_LAPACKE ...
    return text.substr(0, text.find(' ', text.find(' ') + 1));
  }
  const std::string settings = at::show_config(), key = "Math Kernel Library Version ";
  const size_t at = settings.find(key);
  if (at == std::string::npos) return blas_name();
  const size_t begin = at + key.size();
  return "MKL " + settings.substr(begin, settings.find_first_of(" \n-", begin) - begin);
}

class LibtorchProducts : public ProductLibrary {
 public:
  const char* name() const override { return "libtorch"; }
  std::string description() const override { return blas_description(); }
  bool multiplies(at::ScalarType type) const override {
    return type == at::kFloat || (type == at::kBFloat16 && multiplies_bf16_fast());
  }

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

bool multiplies_bf16_fast() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return true;
#endif
}

std::unique_ptr<ProductLibrary> libtorch_products() { return std::make_unique<LibtorchProducts>(); }

}  // namespace permafrost
