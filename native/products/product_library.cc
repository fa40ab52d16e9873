#include "products/product_library.h"

#include "core/error.h"

namespace permafrost {

void ProductLibrary::multiply_with(const Epilogue&, at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const PackedMatrix*) {
  fail(ErrorCode::INTERNAL, "This library has no epilogues.");
}

std::unique_ptr<PackedMatrix> ProductLibrary::pack(const at::Tensor&) { return nullptr; }

void ProductLibrary::multiply_packed(at::Tensor&, const at::Tensor&, const PackedMatrix&, bool) {
  fail(ErrorCode::INTERNAL, "This library packs nothing.");
}

}  // namespace permafrost
