#include "products/cpu_products.h"

#include <algorithm>

#include "core/available_memory.h"
#include "core/error.h"
#include "products/packings.h"

namespace permafrost {

namespace {

// Products of fewer rows do not wait for a measurement; reading the weight takes most of their time.
constexpr int64_t kFewRows = 64;
// A packing costs about as much as it spares one product, so a weight has to have stayed as it is for some. Where it
// changes bits it comes at once: a training that goes on in a new process has to have those of one that never stopped.
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
  check(choice_.has_value(), ErrorCode::INVALID_OPTION, "`matmul` (or PERMAFROST_MATMUL): this libtorch (",
        TORCH_VERSION, ") has no '", settings_.library, "' that multiplies ", type == at::kFloat ? "fp32" : "bf16",
        " on this processor. Expected auto or one of: ", names, ".");
}

const ProductChoice& CpuProducts::choice() {
  if (!choice_) choice_ = choose_library(libraries_, shape_, type_, settings_.directory);
  return *choice_;
}

void CpuProducts::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart) {
  const at::Tensor weight_IO = weight.rows(y_TO.size(1)).t();
  multiply(library_for(y_TO, x_TI, weight_IO.numel(), rows_apart, *own_), y_TO, x_TI, weight, weight_IO, false);
}

void CpuProducts::affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias) {
  const at::Tensor weight_IO = weight.operand().t();
  own_->multiply_with_bias(y_TO, x_TI, weight_IO, packed(*own_, weight, weight_IO), bias.value);
}

void CpuProducts::linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) {
  const at::Tensor weight_OI = weight.rows(dy_TO.size(1));
  multiply(library_for(dx_TI, dy_TO, weight_OI.numel(), false, *libraries_[0]), dx_TI, dy_TO, weight, weight_OI, add);
}

void CpuProducts::weight_gradient(at::Tensor& dweight_OI, const at::Tensor& dy_TO, const at::Tensor& x_TI, bool add) {
  // The tokens make this sum a long one even where the weights are small, which is what libraries are good at.
  ProductLibrary& library = is_libraries(dweight_OI, x_TI) ? *choice().library : *own_;
  library.multiply(dweight_OI, dy_TO.t(), x_TI, add);
}

// Libraries round what they make of bf16 to bf16, while gradients of weights and what a LayerNorm sums up are fp32.
bool CpuProducts::is_libraries(const at::Tensor& out, const at::Tensor& factor) const {
  return out.scalar_type() == type_ && factor.scalar_type() == type_;
}

ProductLibrary& CpuProducts::library_for(const at::Tensor& out, const at::Tensor& factor, int64_t weights,
                                         bool rows_apart, ProductLibrary& for_few_rows) {
  // No library promises that a row does not depend on the others: OpenBLAS, oneDNN and MKL all add up in other orders
  // where there are few rows.
  if (rows_apart || weights <= kSmallWeights || !is_libraries(out, factor)) return *own_;
  const bool is_forced = choice_ && choice_->origin == "forced";
  return out.size(0) < kFewRows && !is_forced ? for_few_rows : *choice().library;
}

const PackedMatrix* CpuProducts::packed(ProductLibrary& library, const Parameter& weight, const at::Tensor& b_KN) {
  if (weight.learns() || b_KN.numel() != weight.value.numel()) return nullptr;
  if (weight.packings == nullptr) weight.packings = std::make_shared<Packings>();
  // A square weight reads the same either way in its sizes, not in its strides.
  Packing& packing = weight.packings->of(library, b_KN.stride(1) != 1);
  const int due = library.packs_alike() ? kUsesBeforePacking : 1;
  if (++packing.uses == due && available_memory() / kPartOfMemory > b_KN.nbytes()) {
    packing.matrix = library.pack(b_KN);
  }
  return packing.matrix.get();
}

void CpuProducts::multiply(ProductLibrary& library, at::Tensor& out_MN, const at::Tensor& a_MK, const Parameter& weight,
                           const at::Tensor& b_KN, bool add) {
  const PackedMatrix* b = packed(library, weight, b_KN);
  if (b == nullptr) return library.multiply(out_MN, a_MK, b_KN, add);
  library.multiply_packed(out_MN, a_MK, *b, add);
}

}  // namespace permafrost
