// Products of matrices, by the fastest library that libtorch brings.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// Whether large fp32 products on a CPU go to oneDNN rather than to libtorch's BLAS.
bool multiplies_by_onednn();

// out_MN = a_MK b_KN, or out_MN += a_MK b_KN where `add`. All of one type and device; a and b may be transposed views.
// The same shapes and threads give the same bits.
void matrix_product(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add = false);

}  // namespace permafrost
