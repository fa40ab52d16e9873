#include "products/cpu_products.h"

#include <algorithm>

#include "core/available_memory.h"
#include "core/error.h"
#include "products/packings.h"

namespace permafrost {

namespace {

// Products of fewer rows do not wait for a measurement; reading the weight takes most of their time.
constexpr int64_t kFewRows = 64;
// A packing costs about as much as it spares one product, so a weight has to have stayed as it is for some.
constexpr int kUsesBeforePacking = 8;
// Packings take no more than this part of the memory that is left.
constexpr size_t kPartOfMemory = 8;

}  // namespace

CpuProducts::CpuProducts(const CpuKernels& kernels, at::ScalarType type, ProductShape shape, ProductSettings settings)
    : type_(type), shape_(shape), settings_(std::move(settings)), own_(own_products(kernels)),
      libtorch_(libtorch_products()), onednn_(onednn_products()) {
  // oneDNN's own interface is as good as the BLAS or better; through libtorch's it has to show that. In bf16 the
  // kernels of ops/cpu are there on every processor.
  std::vector<ProductLibrary*> all{libtorch_.get(), onednn_.get(), own_.get()};
  if (brings_onednn()) std::swap(all[0], all[1]);
  if (type != at::kFloat) std::swap(all[0], all[2]);
  for (ProductLibrary* library : all) {
    if (library != nullptr && library->multiplies(type)) libraries_.push_back(library);
  }
  if (settings_.library == "auto") return;
  std::string names;
  for (ProductLibrary* library : libraries_) {
    names += (names.empty() ? "" : ", ") + std::string(library->name());
    if (settings_.library == library->name()) choice_ = {library, "forced", ""};
  }
  check(choice_.has_value(), ErrorCode::INVALID_OPTION, "matmul: this libtorch (", TORCH_VERSION, ") has no '",
        settings_.library, "' that multiplies ", type == at::kFloat ? "fp32" : "bf16", " on this processor. Expected auto or one of: ",
        names, ".");
}

const ProductChoice& CpuProducts::choice() {
  if (!choice_) choice_ = choose_library(libraries_, shape_, type_, settings_.directory);
  return *choice_;
}

void CpuProducts::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart) {
  multiply(y_TO, x_TI, weight, weight.rows(y_TO.size(1)).t(), true, false, rows_apart);
}

void CpuProducts::linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) {
  multiply(dx_TI, dy_TO, weight, weight.rows(dy_TO.size(1)), false, add, false);
}

void CpuProducts::weight_gradient(at::Tensor& dweight_OI, const at::Tensor& dy_TO, const at::Tensor& x_TI, bool add) {
  // Libraries give results of the factors' type alone, and a gradient is fp32 at any precision. In fp32 the tokens make
  // this sum a long one even where the weights are small, which is what libraries are good at.
  ProductLibrary& library = x_TI.scalar_type() == dweight_OI.scalar_type() ? *choice().library : *own_;
  library.multiply(dweight_OI, dy_TO.t(), x_TI, add);
}

ProductLibrary& CpuProducts::library_for(int64_t rows, int64_t weights, bool rows_apart) {
  // No library promises that a row does not depend on the others: OpenBLAS, oneDNN and MKL all add up in other orders
  // where there are few rows.
  if (rows_apart || weights <= kSmallWeights) return *own_;
  const bool is_free = !choice_ || choice_->origin != "forced";
  return rows < kFewRows && is_free ? *libraries_[0] : *choice().library;
}

void CpuProducts::multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const Parameter& weight, const at::Tensor& b_KN,
                           bool transposed, bool add, bool rows_apart) {
  ProductLibrary& library = library_for(out_MN.size(0), b_KN.numel(), rows_apart);
  const bool is_whole = b_KN.numel() == weight.value.numel();
  if (!is_whole || weight.learns()) return library.multiply(out_MN, a_MK, b_KN, add);
  if (weight.packings == nullptr) weight.packings = std::make_shared<Packings>();
  Packing& packing = weight.packings->of(library, transposed);
  if (++packing.uses == kUsesBeforePacking && available_memory() / kPartOfMemory > b_KN.nbytes()) {
    packing.matrix = library.pack(b_KN);
  }
  if (packing.matrix == nullptr) return library.multiply(out_MN, a_MK, b_KN, add);
  library.multiply_packed(out_MN, a_MK, *packing.matrix, add);
}

}  // namespace permafrost
