// Products of matrices by oneDNN, where libtorch brings it.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// Whether large fp32 products on a CPU go to oneDNN rather than to libtorch's BLAS.
bool multiplies_by_onednn();

// out_MN = a_MK b_KN, or out_MN += a_MK b_KN where `add`; a and b may be transposed views. The same shapes and threads
// give the same bits. Returns false, having done nothing, where oneDNN is not there or cannot.
bool multiply_by_onednn(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add);

}  // namespace permafrost
