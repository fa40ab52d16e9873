#include "products/product_library.h"

#include "core/error.h"

namespace permafrost {

void ProductLibrary::multiply_with_bias(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                                        const PackedMatrix* packed, const at::Tensor& bias_N) {
  packed != nullptr ? multiply_packed(out_MN, a_MK, *packed, false) : multiply(out_MN, a_MK, b_KN, false);
  out_MN.add_(bias_N);
}

std::unique_ptr<PackedMatrix> ProductLibrary::pack(const at::Tensor&) { return nullptr; }

void ProductLibrary::multiply_packed(at::Tensor&, const at::Tensor&, const PackedMatrix&, bool) {
  fail(ErrorCode::INTERNAL, "This library packs nothing.");
}

}  // namespace permafrost
