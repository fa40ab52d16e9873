#include "binding/decode.h"

#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "model/head.h"

namespace permafrost {

namespace {

// What a value is, for messages: `undefined`, `a string`, `an array`.
const char* kind_of(const Napi::Value& value) {
  if (value.IsTypedArray()) return "another typed array";
  if (value.IsArray()) return "an array";
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_number:
      return "a number";
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return "an object";
  }
}

void expect(bool holds, const Napi::Value& value, ErrorCode code, const char* what, const char* expected) {
  check(holds, code, what, ": expected ", expected, ", got ", holds ? "" : kind_of(value), ".");
}

// An array, decoded one by one.
template <typename Decode>
auto decode_list(const Napi::Value& value, ErrorCode code, const char* what, const char* expected, const Decode& decode) {
  expect(value.IsArray(), value, code, what, expected);
  const auto array = value.As<Napi::Array>();
  std::vector<decltype(decode(value))> all;
  for (uint32_t i = 0; i < array.Length(); ++i) all.push_back(decode(array.Get(i)));
  return all;
}

Schedule decode_schedule(const Napi::Value& value) {
  constexpr std::pair<const char*, Schedule> kSchedules[] = {{"linear", Schedule::linear},
                                                             {"cosine", Schedule::cosine},
                                                             {"constant", Schedule::constant},
                                                             {"polynomial", Schedule::polynomial},
                                                             {"slanted-triangular", Schedule::slanted_triangular}};
  const std::string name = decode_string(value, "schedule");
  for (const auto& [known, schedule] : kSchedules) {
    if (name == known) return schedule;
  }
  fail(ErrorCode::INVALID_OPTION, "schedule: there is none of the name '", name, "'.");
}

std::string decode_head(const Napi::Value& value) {
  std::string name = decode_string(value, "config.head");
  check_head_name(name);
  return name;
}

// Null where attention is not disentangled.
std::optional<RelativeAttention> decode_relative(const Napi::Value& value) {
  if (value.IsNull()) return std::nullopt;
  const Napi::Object object = decode_object(value, "config.relativePositions");
  RelativeAttention relative;
  relative.buckets = decode_int(object.Get("buckets"), "config.relativePositions.buckets");
  relative.max_distance = decode_int(object.Get("maxDistance"), "config.relativePositions.maxDistance");
  relative.content_to_position =
      decode_bool(object.Get("contentToPosition"), "config.relativePositions.contentToPosition");
  relative.position_to_content =
      decode_bool(object.Get("positionToContent"), "config.relativePositions.positionToContent");
  relative.has_norm = decode_bool(object.Get("layerNorm"), "config.relativePositions.layerNorm");
  return relative;
}

TokenLossOptions decode_loss(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "loss");
  TokenLossOptions loss;
  for (const float weight : decode_floats(object.Get("classWeights"), "loss.classWeights")) {
    loss.class_weights.push_back(weight);
  }
  loss.label_smoothing = decode_number(object.Get("labelSmoothing"), "loss.labelSmoothing");
  loss.focal_gamma = decode_number(object.Get("focalGamma"), "loss.focalGamma");
  return loss;
}

}  // namespace

std::vector<uint8_t> decode_bytes(const Napi::Value& value, const char* what) {
  expect(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array, value,
         ErrorCode::INVALID_OPTION, what, "a Uint8Array");
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<int32_t> decode_int32s(const Napi::Value& value, const char* what) {
  expect(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array, value,
         ErrorCode::INVALID_BATCH, what, "an Int32Array");
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<BatchShape> decode_shapes(const Napi::Value& value) {
  constexpr size_t kNumbers = 4;
  const std::vector<int32_t> numbers = decode_int32s(value, "shapes");
  check(numbers.size() % kNumbers == 0, ErrorCode::INVALID_BATCH, "shapes: expected ", kNumbers,
        " numbers each, got ", numbers.size(), " in all.");
  std::vector<BatchShape> shapes;
  for (size_t i = 0; i < numbers.size(); i += kNumbers) {
    shapes.push_back({numbers[i], numbers[i + 1], numbers[i + 2], 0, numbers[i + 3] != 0});
  }
  return shapes;
}

std::vector<std::vector<int32_t>> decode_int32_arrays(const Napi::Value& value, const char* what) {
  return decode_list(value, ErrorCode::INVALID_BATCH, what, "an array of Int32Arrays",
                     [what](const Napi::Value& one) { return decode_int32s(one, what); });
}

std::vector<float> decode_floats(const Napi::Value& value, const char* what) {
  expect(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array, value,
         ErrorCode::INVALID_OPTION, what, "a Float32Array");
  const auto array = value.As<Napi::Float32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Object decode_object(const Napi::Value& value, const char* what) {
  expect(value.IsObject(), value, ErrorCode::INVALID_OPTION, what, "an object");
  return value.As<Napi::Object>();
}

double decode_number(const Napi::Value& value, const char* what) {
  expect(value.IsNumber(), value, ErrorCode::INVALID_OPTION, what, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

bool decode_bool(const Napi::Value& value, const char* what) {
  expect(value.IsBoolean(), value, ErrorCode::INVALID_OPTION, what, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

int64_t decode_int(const Napi::Value& value, const char* what) {
  const double number = decode_number(value, what);
  constexpr double kLargestSafe = 9007199254740991.0;
  check(std::floor(number) == number && std::fabs(number) <= kLargestSafe, ErrorCode::INVALID_OPTION, what,
        ": expected a whole number, got ", number, ".");
  return static_cast<int64_t>(number);
}

std::string decode_string(const Napi::Value& value, const char* what) {
  expect(value.IsString(), value, ErrorCode::INVALID_OPTION, what, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> decode_strings(const Napi::Value& value, const char* what) {
  return decode_list(value, ErrorCode::INVALID_OPTION, what, "an array of strings",
                     [what](const Napi::Value& one) { return decode_string(one, what); });
}

EncoderConfig decode_config(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "config");
  EncoderConfig config;
  config.model_type = decode_string(object.Get("modelType"), "config.modelType");
  config.head = decode_head(object.Get("head"));
  config.vocab_size = decode_int(object.Get("vocabSize"), "config.vocabSize");
  config.hidden_size = decode_int(object.Get("hiddenSize"), "config.hiddenSize");
  config.num_layers = decode_int(object.Get("numLayers"), "config.numLayers");
  config.num_heads = decode_int(object.Get("numHeads"), "config.numHeads");
  config.intermediate_size = decode_int(object.Get("intermediateSize"), "config.intermediateSize");
  config.max_positions = decode_int(object.Get("maxPositions"), "config.maxPositions");
  config.type_vocab_size = decode_int(object.Get("typeVocabSize"), "config.typeVocabSize");
  config.pad_token_id = decode_int(object.Get("padTokenId"), "config.padTokenId");
  config.num_labels = decode_int(object.Get("numLabels"), "config.numLabels");
  config.activation = parse_activation(decode_string(object.Get("hiddenAct"), "config.hiddenAct"));
  config.layer_norm_eps = decode_number(object.Get("layerNormEps"), "config.layerNormEps");
  config.hidden_dropout = decode_number(object.Get("hiddenDropout"), "config.hiddenDropout");
  config.attention_dropout = decode_number(object.Get("attentionDropout"), "config.attentionDropout");
  config.classifier_dropout = decode_number(object.Get("classifierDropout"), "config.classifierDropout");
  config.initializer_range = decode_number(object.Get("initializerRange"), "config.initializerRange");
  config.embedding_size = decode_int(object.Get("embeddingSize"), "config.embeddingSize");
  config.relative = decode_relative(object.Get("relativePositions"));
  return config;
}

TrainerOptions decode_trainer_options(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "trainer options");
  TrainerOptions options;
  options.learning_rate = decode_number(object.Get("learningRate"), "learningRate");
  options.adamw.weight_decay = decode_number(object.Get("weightDecay"), "weightDecay");
  options.adamw.beta1 = decode_number(object.Get("beta1"), "beta1");
  options.adamw.beta2 = decode_number(object.Get("beta2"), "beta2");
  options.adamw.eps = decode_number(object.Get("eps"), "eps");
  options.max_grad_norm = decode_number(object.Get("maxGradNorm"), "maxGradNorm");
  options.schedule = decode_schedule(object.Get("schedule"));
  options.warmup_steps = decode_int(object.Get("warmupSteps"), "warmupSteps");
  options.total_steps = decode_int(object.Get("totalSteps"), "totalSteps");
  options.layer_decay = decode_number(object.Get("layerDecay"), "layerDecay");
  options.head_learning_rate = decode_number(object.Get("headLearningRate"), "headLearningRate");
  options.sums_gradients = decode_bool(object.Get("trackGradientL1"), "trackGradientL1");
  options.gradient_accumulation = decode_int(object.Get("gradientAccumulation"), "gradientAccumulation");
  options.gradient_shards = decode_int(object.Get("gradientShards"), "gradientShards");
  options.seed = static_cast<uint64_t>(decode_int(object.Get("seed"), "seed"));
  options.frozen_dropout = decode_bool(object.Get("frozenDropout"), "frozenDropout");
  options.loss = decode_loss(object.Get("loss"));
  options.graphs = decode_bool(object.Get("graphs"), "graphs");
  options.read_back_every = decode_int(object.Get("readBackEvery"), "readBackEvery");
  check(options.read_back_every >= 1, ErrorCode::INVALID_OPTION, "readBackEvery: expected at least 1, got ",
        options.read_back_every, ".");
  return options;
}

FreezePlan decode_plan(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "plan");
  FreezePlan plan;
  plan.embeddings = decode_bool(object.Get("embeddings"), "plan.embeddings");
  plan.layers = decode_bytes(object.Get("layers"), "plan.layers");
  plan.parts = decode_bytes(object.Get("parts"), "plan.parts");
  return plan;
}

PackedBatch decode_batch(const Napi::Value& value) {
  expect(value.IsObject(), value, ErrorCode::INVALID_BATCH, "batch", "an object with inputIds and cuSeqlens");
  const auto object = value.As<Napi::Object>();
  PackedBatch batch;
  batch.input_ids = decode_int32s(object.Get("inputIds"), "batch.inputIds");
  const Napi::Value labels = object.Get("labels");
  if (!labels.IsUndefined()) {
    batch.labels = decode_int32s(labels, "batch.labels");
    check(batch.labels.size() == batch.input_ids.size(), ErrorCode::INVALID_BATCH,
          "batch.labels must be as long as batch.inputIds, ", batch.input_ids.size(), ", got ", batch.labels.size(), ".");
  }
  batch.cu_seqlens = decode_int32s(object.Get("cuSeqlens"), "batch.cuSeqlens");
  const Napi::Value examples = object.Get("examples");
  if (!examples.IsUndefined()) batch.examples = decode_int32s(examples, "batch.examples");
  const Napi::Value weights = object.Get("weights");
  if (!weights.IsUndefined()) batch.weights = decode_floats(weights, "batch.weights");
  const Napi::Value rows = object.Get("rows");
  if (!rows.IsUndefined()) batch.rows = decode_int32s(rows, "batch.rows");
  return batch;
}

Shares decode_shares(const Napi::Value& value) {
  const bool is_sharded = value.IsObject() && value.As<Napi::Object>().Has("shards");
  if (!is_sharded) return decode_batch(value);
  const auto object = value.As<Napi::Object>();
  const int64_t first = decode_int(object.Get("first"), "batch.first");
  check(first >= 0, ErrorCode::INVALID_BATCH, "batch.first: expected the number of a shard, from 0, got ", first, ".");
  return {decode_batches(object.Get("shards")), first};
}

std::vector<Shares> decode_share_list(const Napi::Value& value) {
  return decode_list(value, ErrorCode::INVALID_BATCH, "batches", "an array of batches", decode_shares);
}

StepOptions decode_step_options(const Napi::Value& value) {
  const Napi::Object object = decode_object(value, "step options");
  StepOptions options;
  options.update_now = decode_bool(object.Get("updateNow"), "updateNow");
  options.every_token = decode_bool(object.Get("everyToken"), "everyToken");
  const int64_t flags = decode_int(object.Get("flags"), "flags");
  check(flags >= 0 && flags <= std::numeric_limits<uint32_t>::max(), ErrorCode::INVALID_OPTION,
        "flags: expected up to 32 bits, got ", flags, ".");
  options.flags = static_cast<uint32_t>(flags);
  return options;
}

std::vector<PackedBatch> decode_batches(const Napi::Value& value) {
  return decode_list(value, ErrorCode::INVALID_BATCH, "batches", "an array of batches", decode_batch);
}

Kernels decode_kernels(const Napi::Value& value) {
  const std::string name = decode_string(value, "kernels");
  check(name == "fused" || name == "plain", ErrorCode::INVALID_OPTION, "kernels: expected 'fused' or 'plain', got '",
        name, "'.");
  return name == "fused" ? Kernels::fused : Kernels::plain;
}

at::ScalarType decode_precision(const Napi::Value& value) {
  const std::string name = decode_string(value, "precision");
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  check(name == "int8", ErrorCode::INVALID_OPTION, "precision: expected 'fp32', 'bf16' or 'int8', got '", name, "'.");
  return at::kChar;
}

}  // namespace permafrost
