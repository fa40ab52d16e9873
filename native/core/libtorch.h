// The only place that includes libtorch, and the only one that knows how its versions differ.
//
// The engine uses ATen alone: tensors, matrix products and allocation. Gradients are written by hand
// (model/), so nothing here depends on libtorch's autograd.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

namespace permafrost {

inline const char* libtorch_build_version() { return TORCH_VERSION; }

}  // namespace permafrost
