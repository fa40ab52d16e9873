// The state of a training: what another one needs to go on from it.
#include <algorithm>
#include <cmath>

#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/engine_object.h"
#include "binding/promise_job.h"
#include "core/error.h"
#include "core/interruption.h"
#include "weights/convert.h"
#include "weights/dump.h"

namespace permafrost {

namespace {

void write_floats(const std::string& name, const std::vector<float>& values, const at::Tensor& target) {
  write_elements(name, ElementType::f32, reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float),
                 target);
}

// What of a parameter is dumped, as JavaScript numbers it.
enum Kind : uint8_t { kWeight, kExpAvg, kExpAvgSq, kGradientSum, kKinds };

at::Tensor tensor_of(EngineState& state, uint32_t trainer, const NamedParameter& named, uint8_t kind) {
  if (kind == kWeight) return named.view(named.parameter->value);
  Optimizer& optimizer = trainer_of(state, trainer).optimizer();
  if (kind == kGradientSum) {
    const at::Tensor sum = optimizer.gradient_sum(*named.parameter);
    check(sum.defined(), ErrorCode::INVALID_OPTION, "'", named.name, "' has no sum of gradients.");
    return named.view(sum);
  }
  const Optimizer::State* moments = optimizer.state_of(*named.parameter);
  check(moments != nullptr, ErrorCode::INVALID_OPTION, "'", named.name, "' has no moments: it was never updated.");
  return named.view(kind == kExpAvg ? moments->exp_avg : moments->exp_avg_sq);
}

}  // namespace

Napi::Value EngineObject::broadcast(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const bool state_too = decode_string(info[1], "what") == "state";
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          trainer_of(state, id).broadcast(state_too);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::position(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return trainer_of(state, id).position(); },
        position_value);
  });
}

Napi::Value EngineObject::seek(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const TrainerPosition position{decode_int(info[1], "updates"), static_cast<uint32_t>(decode_int(info[2], "passes"))};
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          trainer_of(state, id).seek(position);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::begin_stage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const TrainingStage stage{decode_int(info[1], "step"), decode_int(info[2], "thawSteps"),
                              decode_int(info[3], "totalSteps"), decode_int(info[4], "warmupSteps")};
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          trainer_of(state, id).begin_stage(stage);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::gradient_l1(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return trainer_of(state, id).optimizer().take_gradient_l1(); },
        norms_value);
  });
}

Napi::Value EngineObject::gradient_sums(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const Optimizer& optimizer = trainer_of(state, id).optimizer();
          std::vector<double> norms;
          for (const NamedParameter& named : model_of(state).parameters.named()) {
            const at::Tensor sum = optimizer.gradient_sum(*named.parameter);
            norms.push_back(sum.defined() ? named.view(sum).abs().sum(at::kDouble).item<double>() : std::nan(""));
          }
          return norms;
        },
        norms_value);
  });
}

Napi::Value EngineObject::write_gradient_sum(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const std::string name = decode_string(info[1], "name");
    auto sum = std::make_shared<const std::vector<float>>(decode_floats(info[2], "sum"));
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const NamedParameter& named = model_of(state).parameters.named(name);
          const at::Tensor target = trainer_of(state, id).optimizer().begin_gradient_sum(*named.parameter);
          write_floats(named.name, *sum, named.view(target));
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::read_moments(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const std::string name = decode_string(info[1], "name");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) -> Moments {
          const NamedParameter& named = model_of(state).parameters.named(name);
          const Optimizer::State* moments = trainer_of(state, id).optimizer().state_of(*named.parameter);
          if (moments == nullptr) return {};
          const auto copy = [&](const at::Tensor& whole) { return named.view(whole).to(at::kCPU).contiguous().clone(); };
          return {moments->step, copy(moments->exp_avg), copy(moments->exp_avg_sq)};
        },
        moments_value);
  });
}

Napi::Value EngineObject::write_moments(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const std::string name = decode_string(info[1], "name");
    const int64_t step = decode_int(info[2], "step");
    auto exp_avg = std::make_shared<const std::vector<float>>(decode_floats(info[3], "expAvg"));
    auto exp_avg_sq = std::make_shared<const std::vector<float>>(decode_floats(info[4], "expAvgSq"));
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const NamedParameter& named = model_of(state).parameters.named(name);
          Optimizer::State& moments = trainer_of(state, id).optimizer().begin_state(*named.parameter);
          write_floats(named.name, *exp_avg, named.view(moments.exp_avg));
          write_floats(named.name, *exp_avg_sq, named.view(moments.exp_avg_sq));
          moments.step = step;
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::moment_steps(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          std::vector<double> steps;
          for (const NamedParameter& named : model_of(state).parameters.named()) {
            const Optimizer::State* moments = trainer_of(state, id).optimizer().state_of(*named.parameter);
            steps.push_back(moments == nullptr ? std::nan("") : static_cast<double>(moments->step));
          }
          return steps;
        },
        norms_value);
  });
}

Napi::Value EngineObject::dump_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto descriptor = static_cast<int>(decode_int(info[0], "fd"));
    const auto id = static_cast<uint32_t>(decode_int(info[1], "trainer"));
    const std::vector<uint8_t> kinds = decode_bytes(info[2], "kinds");
    const std::vector<std::string> names = decode_strings(info[3], "names");
    const ElementType type = parse_element_type(decode_string(info[4], "dtype"));
    const bool known = std::all_of(kinds.begin(), kinds.end(), [](uint8_t kind) { return kind < kKinds; });
    check(known && kinds.size() == names.size(), ErrorCode::INVALID_OPTION, "kinds: expected a number below ",
          int{kKinds}, " for each of ", names.size(), " names.");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const Parameters& parameters = model_of(state).parameters;
          for (size_t i = 0; i < names.size(); ++i) {
            interruption_point();
            const NamedParameter& named = parameters.named(names[i]);
            dump_elements(descriptor, tensor_of(state, id, named, kinds[i]), scalar_of(type));
          }
          return Nothing{};
        },
        undefined);
  });
}

}  // namespace permafrost
