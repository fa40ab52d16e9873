// What multiplies matrices: libtorch's BLAS, oneDNN or the kernels of ops/cpu, behind one face.
//
// Every product of a linear map y_TO = x_TI W_OI^T is one of two matrices, either of which may be a transposed view:
// the map itself, the gradient of its input dx = dy W, and that of its weight dW = dy^T x.
#pragma once

#include <memory>
#include <string>

#include "core/libtorch.h"

namespace permafrost {

// A right factor in the order in which one library reads it.
class PackedMatrix {
 public:
  virtual ~PackedMatrix() = default;
  virtual size_t bytes() const = 0;
};

// The same library, shapes and threads give the same bits. Used by one thread at a time.
class ProductLibrary {
 public:
  virtual ~ProductLibrary() = default;

  // As options and records name it: libtorch, onednn, own.
  virtual const char* name() const = 0;
  // What stands behind the name, with its version, as far as it can be told.
  virtual std::string description() const = 0;
  // Whether it multiplies factors of this type.
  virtual bool multiplies(at::ScalarType type) const = 0;

  // out_MN = a_MK b_KN, or out_MN += a_MK b_KN where `add`. Both factors are of one type; `out` is of theirs or fp32, and
  // its rows are contiguous. Sums are fp32 in any case.
  virtual void multiply(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add) = 0;

  // out_MN = a_MK b_KN + bias_N, an fp32 one, which a library that can adds before it rounds.
  // `packed`: b as this library packed it, or null.
  virtual void multiply_with_bias(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                                  const PackedMatrix* packed, const at::Tensor& bias_N);

  // Whether a packed factor gives the bits that it gives as it lies.
  virtual bool packs_alike() const { return false; }
  // The factor b_KN packed, or null where this library gains nothing by it.
  virtual std::unique_ptr<PackedMatrix> pack(const at::Tensor& b_KN);
  // The same as `multiply` with a factor that this library packed.
  virtual void multiply_packed(at::Tensor& out_MN, const at::Tensor& a_MK, const PackedMatrix& b_KN, bool add);
};

}  // namespace permafrost
