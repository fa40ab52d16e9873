// What of this process a report on its state needs: libtorch, its BLAS, CUDA, the NVIDIA driver.
#pragma once

#include "binding/napi_setup.h"

namespace permafrost {

// Versions, paths and settings of the libtorch in this process. Cheap: made when the addon is loaded.
Napi::Object describe_libtorch(Napi::Env env);

// nvidiaDriver(): what the driver says about itself and its cards.
Napi::Value describe_driver(const Napi::CallbackInfo& info);

// cardEnergy(device): joules counted and watts drawn now, each null where the card does not tell.
Napi::Value describe_card_energy(const Napi::CallbackInfo& info);

}  // namespace permafrost
