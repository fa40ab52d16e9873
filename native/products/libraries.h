// The libraries of products that there are.
#pragma once

#include "ops/cpu/kernels.h"
#include "products/product_library.h"

namespace permafrost {

// libtorch's own: the BLAS that it was built for or the system provides.
std::unique_ptr<ProductLibrary> libtorch_products();

// oneDNN's primitives, where libtorch lets them be reached; null elsewhere.
std::unique_ptr<ProductLibrary> onednn_products();

// The kernels of one instruction level. The bits of a row do not depend on the rows beside it.
std::unique_ptr<ProductLibrary> own_products(const CpuKernels& kernels);

}  // namespace permafrost
