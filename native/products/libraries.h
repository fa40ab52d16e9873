// The libraries of products that there are.
#pragma once

#include "ops/cpu/kernels.h"
#include "products/product_library.h"

namespace permafrost {

// libtorch's own: the BLAS that it was built for or the system provides.
std::unique_ptr<ProductLibrary> libtorch_products();

// Whether libtorch depends on a oneDNN that can be called itself, as distributions' builds do.
bool brings_onednn();

// oneDNN's primitives, where libtorch lets them be reached; null elsewhere.
std::unique_ptr<ProductLibrary> onednn_products();

// Whether libtorch and its oneDNN have instructions for bf16 here, or AVX-512 to make up for them; they are very slow else.
bool multiplies_bf16_fast();

// The kernels of one instruction level. The bits of a row do not depend on the rows beside it.
std::unique_ptr<ProductLibrary> own_products(const CpuKernels& kernels);

}  // namespace permafrost
