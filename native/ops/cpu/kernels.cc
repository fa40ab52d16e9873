// Compiled once for each instruction level, with CPU_LEVEL naming it. Everything here has internal
// linkage and no inline function of a shared header is used: the linker would keep one copy of such a
// function, and that copy might hold instructions that the processor lacks.
#include "ops/cpu/kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#include <omp.h>

#include <type_traits>

#include "core/philox.h"
#include "ops/cpu/bf16.h"
#include "ops/dropout.h"

namespace permafrost {

namespace {

#include "ops/cpu/convert.inc"
#include "ops/cpu/math.inc"
#include "ops/cpu/product_tile.inc"
#include "ops/cpu/product_pack.inc"
#include "ops/cpu/product.inc"
#include "ops/cpu/rows.inc"
#include "ops/cpu/update.inc"
#include "ops/cpu/attention.inc"
#include "ops/cpu/disentangled.inc"
#include "ops/cpu/int8.inc"

template <typename X>
constexpr ActivationKernels<X> kActivationKernels = {
    scatter_rows<X>,      layer_norm<X>,
    layer_norm_backward<X>, activate<X>,
    activate_backward<X>, dropout<X>,
    column_sums<X>,       attention_scratch<X>,
    attention<X>,         attention_backward<X>,
    disentangled_scratch<X>, disentangled_attention<X>,
    disentangled_attention_backward<X>, cross_entropy<X>,
};

}  // namespace

namespace CPU_LEVEL {

extern const CpuKernels kernels;
const CpuKernels kernels = {
    kActivationKernels<float>, kActivationKernels<bf16>,
    product_of, product_scratch, pack_product, packed_product,
    embed, squares, adamw, adamw_rows, adamw_gradient_rows,
    {int8_row_bytes, quantize_int8_rows, int8_packed_bytes, pack_int8_weights, int8_product},
};

}  // namespace CPU_LEVEL

}  // namespace permafrost
