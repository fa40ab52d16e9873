// Results of the engine → JavaScript values. The one place that knows their field names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/gemm_floor.h"
#include "binding/napi_setup.h"
#include "device/cuda_graph.h"
#include "model/model.h"
#include "train/trainer.h"

namespace permafrost {

// The result of a job that has none.
struct Nothing {};

// What a plan made of the model, in the order of its named parameters.
struct FreezeResult {
  std::vector<uint8_t> trainable;
  int64_t frozen_prefix;
};

// AdamW's state of one named parameter; undefined tensors where it has none yet.
struct Moments {
  int64_t step = 0;
  at::Tensor exp_avg, exp_avg_sq;
};

// What a model and its trainer hold.
struct HeldBytes {
  size_t parameters = 0, gradients = 0, optimizer = 0, workspace = 0;
};

// What multiplies large matrices on a CPU; an empty library where there is no choice.
struct ProductFacts {
  std::string library, description, origin, reason;
  int threads = 0;
};

// Where and by which means a model computes.
struct DeviceFacts {
  std::string name, attention, why_no_graphs, kernels, why_no_kernels;
  at::ScalarType precision;
  size_t graphs, launches;
  int64_t steps_in_flight;
  DeviceMemory memory;
};

Napi::Value undefined(Napi::Env env, const Nothing& nothing);
Napi::Value parameters_value(Napi::Env env, const std::vector<NamedParameter>& parameters);
Napi::Value freeze_value(Napi::Env env, const FreezeResult& result);
Napi::Value step_value(Napi::Env env, const StepResult& result);
Napi::Value position_value(Napi::Env env, const TrainerPosition& position);
// Null where there is no state yet.
Napi::Value moments_value(Napi::Env env, const Moments& moments);
Napi::Value loss_value(Napi::Env env, const LossSum& sum);
Napi::Value held_bytes_value(Napi::Env env, const HeldBytes& bytes);
Napi::Value device_facts_value(Napi::Env env, const DeviceFacts& facts);
Napi::Value product_facts_value(Napi::Env env, const ProductFacts& facts);
Napi::Value timing_value(Napi::Env env, const ProductTiming& timing);
Napi::Value floats_value(Napi::Env env, const at::Tensor& tensor);
// The elements of a contiguous tensor on the CPU as they lie in memory.
Napi::Value bytes_value(Napi::Env env, const at::Tensor& tensor);
// Two numbers a parameter: see GradientMoments.
Napi::Value gradient_moments_value(Napi::Env env, const std::vector<GradientMoments>& moments);
Napi::Value norms_value(Napi::Env env, const std::vector<double>& norms);
Napi::Value predictions_value(Napi::Env env, const Predictions& predictions);

}  // namespace permafrost
