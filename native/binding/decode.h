// JavaScript settings and arrays → structs. The one place that knows their field names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "binding/napi_setup.h"
#include "freezing/apply_plan.h"
#include "model/batch.h"
#include "model/config.h"
#include "ops/ops.h"
#include "train/trainer.h"

namespace permafrost {

// Every function throws INVALID_OPTION naming the field that is missing or of the wrong type.
EncoderConfig decode_config(const Napi::Value& value);
TrainerOptions decode_trainer_options(const Napi::Value& value);
FreezePlan decode_plan(const Napi::Value& value);
// Throws INVALID_BATCH.
PackedBatch decode_batch(const Napi::Value& value);
std::vector<PackedBatch> decode_batches(const Napi::Value& value);
// A batch, or { shards, first }.
Shares decode_shares(const Napi::Value& value);
std::vector<Shares> decode_share_list(const Napi::Value& value);
StepOptions decode_step_options(const Napi::Value& value);
Kernels decode_kernels(const Napi::Value& value);
// Type of the arithmetic, 'fp32', 'bf16' or 'int8' (kChar).
at::ScalarType decode_precision(const Napi::Value& value);

Napi::Object decode_object(const Napi::Value& value, const char* what);
bool decode_bool(const Napi::Value& value, const char* what);
// Throws INVALID_BATCH.
// Four numbers each: tokens, sequences, tokens of the longest, whether it is weighted.
std::vector<BatchShape> decode_shapes(const Napi::Value& value);
std::vector<int32_t> decode_int32s(const Napi::Value& value, const char* what);
std::vector<std::vector<int32_t>> decode_int32_arrays(const Napi::Value& value, const char* what);
std::vector<uint8_t> decode_bytes(const Napi::Value& value, const char* what);
std::vector<float> decode_floats(const Napi::Value& value, const char* what);
double decode_number(const Napi::Value& value, const char* what);
int64_t decode_int(const Napi::Value& value, const char* what);
std::string decode_string(const Napi::Value& value, const char* what);
std::vector<std::string> decode_strings(const Napi::Value& value, const char* what);

}  // namespace permafrost
