// Products of matrices, by the fastest library that libtorch brings.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// The library of fp32 products on a CPU, for people: "oneDNN", or empty where it is libtorch's BLAS.
const char* product_library();

// out_MN = a_MK b_KN, or out_MN += a_MK b_KN where `add`. All of one type and device; a and b may be transposed views.
// The same shapes and threads give the same bits.
void matrix_product(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add = false);

}  // namespace permafrost
