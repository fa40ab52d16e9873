// The products of linear maps on a CPU, each by the library that suits it.
//
// Small weights stay in a cache and are multiplied by the kernels of ops/cpu, which lose no time to calls, copies and
// threads that wait for one another; so are rows that must not depend on the rows beside them, and few rows, as one
// sentence has, which a packed weight serves best. Their gradients, whose weights learn, go to the usual library, for which
// nobody waits until a choice has been measured; all else goes to the library that was chosen for the model's shape.
#pragma once

#include <memory>
#include <optional>

#include "model/parameters.h"
#include "products/choice.h"
#include "products/libraries.h"

namespace permafrost {

class CpuProducts {
 public:
  // Throws INVALID_OPTION where the library that is asked for is not there.
  CpuProducts(const CpuKernels& kernels, at::ScalarType type, ProductShape shape = {}, ProductSettings settings = {});

  // As in Ops. A weight that stays as it is for some products is packed.
  void linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart);
  void affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias);
  void linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add);
  void weight_gradient(at::Tensor& dweight_OI, const at::Tensor& dy_TO, const at::Tensor& x_TI, bool add);

  // What can multiply large matrices, the usual one first.
  const std::vector<ProductLibrary*>& libraries() const { return libraries_; }
  // What multiplies large matrices; measures where that is still to be done.
  const ProductChoice& choice();

 private:
  // Whether a product of these is one that libraries compute.
  bool is_libraries(const at::Tensor& out, const at::Tensor& factor) const;
  // What multiplies by a weight of so many elements.
  ProductLibrary& library_for(const at::Tensor& out, const at::Tensor& factor, int64_t weights, bool rows_apart,
                              ProductLibrary& for_few_rows);
  // The weight, which b is a view of, as the library packed it; null where it did not.
  static const PackedMatrix* packed(ProductLibrary& library, const Parameter& weight, const at::Tensor& b_KN);
  static void multiply(ProductLibrary& library, at::Tensor& out_MN, const at::Tensor& a_MK, const Parameter& weight,
                       const at::Tensor& b_KN, bool add);

  const at::ScalarType type_;
  const ProductShape shape_;
  const ProductSettings settings_;
  const std::unique_ptr<ProductLibrary> own_, libtorch_, onednn_;
  // Those that multiply the type, the usual one first.
  std::vector<ProductLibrary*> libraries_;
  std::optional<ProductChoice> choice_;
};

}  // namespace permafrost
