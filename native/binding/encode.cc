#include "binding/encode.h"

#include <cstring>
#include <initializer_list>
#include <utility>

namespace permafrost {

namespace {

template <typename Array, typename Element>
Array typed_array(Napi::Env env, const Element* data, size_t count) {
  Array array = Array::New(env, count);
  if (count > 0) std::memcpy(array.Data(), data, count * sizeof(Element));
  return array;
}

Napi::Object numbers(Napi::Env env, std::initializer_list<std::pair<const char*, double>> fields) {
  Napi::Object value = Napi::Object::New(env);
  for (const auto& [name, number] : fields) value.Set(name, number);
  return value;
}

}  // namespace

Napi::Value undefined(Napi::Env env, const Nothing&) { return env.Undefined(); }

Napi::Value parameters_value(Napi::Env env, const std::vector<NamedParameter>& parameters) {
  Napi::Array value = Napi::Array::New(env, parameters.size());
  for (uint32_t i = 0; i < parameters.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    Napi::Array shape = Napi::Array::New(env, parameters[i].shape.size());
    for (uint32_t d = 0; d < parameters[i].shape.size(); ++d) shape.Set(d, static_cast<double>(parameters[i].shape[d]));
    entry.Set("name", parameters[i].name);
    entry.Set("shape", shape);
    entry.Set("count", static_cast<double>(parameters[i].count()));
    value.Set(i, entry);
  }
  return value;
}

Napi::Value freeze_value(Napi::Env env, const FreezeResult& result) {
  Napi::Object value = numbers(env, {{"frozenPrefix", static_cast<double>(result.frozen_prefix)}});
  value.Set("trainable", typed_array<Napi::Uint8Array>(env, result.trainable.data(), result.trainable.size()));
  return value;
}

Napi::Value step_value(Napi::Env env, const StepResult& result) {
  Napi::Object value = numbers(env, {{"loss", result.loss},
                                     {"learningRate", result.learning_rate},
                                     {"tokens", static_cast<double>(result.tokens)},
                                     {"labelled", static_cast<double>(result.labelled)},
                                     {"weight", result.weight},
                                     {"flags", static_cast<double>(result.flags)}});
  value.Set("gradNorm", result.updated ? Napi::Number::New(env, result.grad_norm) : env.Null());
  value.Set("updated", result.updated);
  return value;
}

Napi::Value position_value(Napi::Env env, const TrainerPosition& position) {
  return numbers(
      env, {{"updates", static_cast<double>(position.updates)}, {"passes", static_cast<double>(position.passes)}});
}

Napi::Value moments_value(Napi::Env env, const Moments& moments) {
  if (!moments.exp_avg.defined()) return env.Null();
  Napi::Object value = numbers(env, {{"step", static_cast<double>(moments.step)}});
  value.Set("expAvg", floats_value(env, moments.exp_avg));
  value.Set("expAvgSq", floats_value(env, moments.exp_avg_sq));
  return value;
}

Napi::Value loss_value(Napi::Env env, const LossSum& sum) {
  return numbers(env, {{"sum", sum.loss}, {"labelled", static_cast<double>(sum.labelled)}});
}

Napi::Value held_bytes_value(Napi::Env env, const HeldBytes& bytes) {
  return numbers(env, {{"parameters", static_cast<double>(bytes.parameters)},
                       {"gradients", static_cast<double>(bytes.gradients)},
                       {"optimizer", static_cast<double>(bytes.optimizer)},
                       {"workspace", static_cast<double>(bytes.workspace)}});
}

Napi::Value device_facts_value(Napi::Env env, const DeviceFacts& facts) {
  Napi::Object value = numbers(env, {{"graphs", static_cast<double>(facts.graphs)},
                                     {"launches", static_cast<double>(facts.launches)},
                                     {"stepsInFlight", static_cast<double>(facts.steps_in_flight)},
                                     {"allocatedBytes", static_cast<double>(facts.memory.allocated)},
                                     {"peakBytes", static_cast<double>(facts.memory.peak)}});
  value.Set("name", facts.name);
  value.Set("precision", facts.precision == at::kFloat ? "fp32" : facts.precision == at::kChar ? "int8" : "bf16");
  value.Set("attention", facts.attention);
  value.Set("kernels", facts.kernels);
  value.Set("whyNoKernels", facts.why_no_kernels.empty() ? env.Null() : Napi::String::New(env, facts.why_no_kernels));
  value.Set("whyNoGraphs", facts.why_no_graphs.empty() ? env.Null() : Napi::String::New(env, facts.why_no_graphs));
  return value;
}

Napi::Value product_facts_value(Napi::Env env, const ProductFacts& facts) {
  if (facts.library.empty()) return env.Null();
  Napi::Object value = numbers(env, {{"threads", static_cast<double>(facts.threads)}});
  value.Set("library", facts.library);
  value.Set("description", facts.description);
  value.Set("origin", facts.origin);
  value.Set("reason", facts.reason.empty() ? env.Null() : Napi::String::New(env, facts.reason));
  return value;
}

Napi::Value timing_value(Napi::Env env, const ProductTiming& timing) {
  Napi::Object value = numbers(env, {{"seconds", timing.seconds},
                                     {"flops", timing.flops},
                                     {"products", static_cast<double>(timing.products)}});
  Napi::Array libraries = Napi::Array::New(env);
  for (const std::string& name : timing.libraries) libraries.Set(libraries.Length(), name);
  value.Set("libraries", libraries);
  return value;
}

Napi::Value floats_value(Napi::Env env, const at::Tensor& tensor) {
  return typed_array<Napi::Float32Array>(env, tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()));
}

Napi::Value bytes_value(Napi::Env env, const at::Tensor& tensor) {
  return typed_array<Napi::Uint8Array>(env, static_cast<const uint8_t*>(tensor.data_ptr()), tensor.nbytes());
}

Napi::Value norms_value(Napi::Env env, const std::vector<double>& norms) {
  return typed_array<Napi::Float64Array>(env, norms.data(), norms.size());
}

Napi::Value gradient_moments_value(Napi::Env env, const std::vector<GradientMoments>& moments) {
  std::vector<double> numbers;
  for (const auto& [mean_squared_norm, squared_norm_of_mean] : moments) {
    numbers.push_back(mean_squared_norm);
    numbers.push_back(squared_norm_of_mean);
  }
  return norms_value(env, numbers);
}

Napi::Value predictions_value(Napi::Env env, const Predictions& predictions) {
  const auto& classes = predictions.classes;
  Napi::Array arrays = Napi::Array::New(env, classes.size());
  for (uint32_t i = 0; i < classes.size(); ++i) {
    arrays.Set(i, typed_array<Napi::Int32Array>(env, classes[i].data(), classes[i].size()));
  }
  Napi::Object value = Napi::Object::New(env);
  value.Set("classes", arrays);
  value.Set("loss", loss_value(env, predictions.loss));
  Napi::Array scores = Napi::Array::New(env, predictions.scores.size());
  for (uint32_t i = 0; i < predictions.scores.size(); ++i) scores.Set(i, floats_value(env, predictions.scores[i]));
  value.Set("scores", scores);
  return value;
}

}  // namespace permafrost
