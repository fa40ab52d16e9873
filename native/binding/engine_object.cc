#include "binding/engine_object.h"

#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/group_object.h"
#include "binding/linear_cka_object.h"
#include "binding/prefix_store_object.h"
#include "binding/promise_job.h"
#include "core/error.h"
#include "device/cuda_graph.h"
#include "device/device.h"
#include "freezing/apply_plan.h"
#include "model/encoder.h"
#include "model/initialise.h"
#include "products/packings.h"
#include "weights/convert.h"

namespace permafrost {

namespace {

FreezeResult describe_freezing(const Model& model) {
  FreezeResult result{{}, frozen_prefix(model.parameters)};
  for (const NamedParameter& named : model.parameters.named()) result.trainable.push_back(named.parameter->requires_grad);
  return result;
}

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {InstanceMethod<&EngineObject::describe_model>("describeModel"),
                      InstanceMethod<&EngineObject::create_model>("createModel"),
                      InstanceMethod<&EngineObject::initialise>("initialise"),
                      InstanceMethod<&EngineObject::write_parameter>("writeParameter"),
                      InstanceMethod<&EngineObject::read_parameter>("readParameter"),
                      InstanceMethod<&EngineObject::freeze>("freeze"),
                      InstanceMethod<&EngineObject::create_trainer>("createTrainer"),
                      InstanceMethod<&EngineObject::step>("step"),
                      InstanceMethod<&EngineObject::expect_batches>("expectBatches"),
                      InstanceMethod<&EngineObject::gradients>("gradients"),
                      InstanceMethod<&EngineObject::gradient_moments>("gradientMoments"),
                      InstanceMethod<&EngineObject::broadcast>("broadcast"),
                      InstanceMethod<&EngineObject::position>("position"),
                      InstanceMethod<&EngineObject::seek>("seek"),
                      InstanceMethod<&EngineObject::begin_stage>("beginStage"),
                      InstanceMethod<&EngineObject::gradient_l1>("gradientL1"),
                      InstanceMethod<&EngineObject::gradient_sums>("gradientSums"),
                      InstanceMethod<&EngineObject::write_gradient_sum>("writeGradientSum"),
                      InstanceMethod<&EngineObject::read_moments>("readMoments"),
                      InstanceMethod<&EngineObject::write_moments>("writeMoments"),
                      InstanceMethod<&EngineObject::moment_steps>("momentSteps"),
                      InstanceMethod<&EngineObject::dump_tensors>("dumpTensors"),
                      InstanceMethod<&EngineObject::logits>("logits"),
                      InstanceMethod<&EngineObject::hidden_states>("hiddenStates"),
                      InstanceMethod<&EngineObject::compare_states>("compareStates"),
                      InstanceMethod<&EngineObject::loss>("loss"),
                      InstanceMethod<&EngineObject::predict>("predict"),
                      InstanceMethod<&EngineObject::prefix_rows>("prefixRows"),
                      InstanceMethod<&EngineObject::keep_prefix_rows>("keepPrefixRows"),
                      InstanceMethod<&EngineObject::take_snapshot>("takeSnapshot"),
                      InstanceMethod<&EngineObject::restore_snapshot>("restoreSnapshot"),
                      InstanceMethod<&EngineObject::memory>("memory"),
                      InstanceMethod<&EngineObject::device>("device"),
                      InstanceMethod<&EngineObject::products>("products"),
                      InstanceMethod<&EngineObject::gemm_floor>("gemmFloor"),
                      // A method, not a getter: Node checks the receiver of methods alone.
                      InstanceMethod<&EngineObject::last_job>("lastJob"),
                      InstanceMethod<&EngineObject::cancel>("cancel"),
                      InstanceMethod<&EngineObject::dispose>("dispose")});
}

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  guarded(info.Env(), [&] { engine_ = Engine::start(static_cast<int>(decode_int(info[0], "threads"))); });
  Environment::of(info.Env())->add(engine_);
}

EngineObject::~EngineObject() {
  if (engine_) engine_->stop();
}

Napi::Value EngineObject::describe_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const EncoderConfig config = decode_config(info[0]);
    return promise_job(
        info.Env(), engine_, [=](EngineState&) { return DeclaredModel(config).parameters.named(); }, parameters_value);
  });
}

Napi::Value EngineObject::create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const EncoderConfig config = decode_config(info[0]);
    const std::string device = decode_string(info[1], "device");
    const Kernels kernels = decode_kernels(info[2]);
    const at::ScalarType precision = decode_precision(info[3]);
    const bool tf32 = decode_bool(info[4], "tf32");
    const ProductSettings products{decode_string(info[5], "matmul"), decode_string(info[6], "productsDirectory")};
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const at::Device found = parse_device(device);
          enter_device(found);
          // A setting of libtorch for the whole process: the last model on a card decides.
          if (found.is_cuda()) at::globalContext().setAllowTF32CuBLAS(tf32);
          state.model = std::make_unique<Model>(config, found, kernels, precision, products);
          return state.model->parameters.named();
        },
        parameters_value);
  });
}

Napi::Value EngineObject::initialise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto seed = static_cast<uint64_t>(decode_int(info[0], "seed"));
    const std::vector<std::string> names = decode_strings(info[1], "names");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          Model& model = model_of(state);
          permafrost::initialise(model.parameters, model.config, seed, names, model.snapshot());
          model.weights_changed();
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::write_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = decode_string(info[0], "name");
    const ElementType type = parse_element_type(decode_string(info[1], "dtype"));
    check(info[2].IsTypedArray(), ErrorCode::INVALID_OPTION, "data: expected a Uint8Array.");
    const auto bytes = info[2].As<Napi::Uint8Array>();
    const uint8_t* data = bytes.Data();
    const size_t size = bytes.ByteLength();
    const std::vector<int32_t> rows = info[3].IsUndefined() ? std::vector<int32_t>() : decode_int32s(info[3], "rows");
    // The caller leaves the buffer alone until the promise is settled; the reference keeps it alive.
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          Model& model = model_of(state);
          const NamedParameter& named = model.parameters.named(name);
          if (model.snapshot() != nullptr) model.snapshot()->keep(*named.parameter);
          model.weights_changed();
          const at::Tensor target = named.view(named.parameter->value);
          if (rows.empty()) {
            write_elements(named.name, type, data, size, target);
          } else {
            write_rows(named.name, type, data, size, rows, target);
          }
          return Nothing{};
        },
        undefined, Napi::Persistent(info[2].As<Napi::Object>()));
  });
}

Napi::Value EngineObject::read_parameter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = decode_string(info[0], "name");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const NamedParameter& named = model_of(state).parameters.named(name);
          return named.view(named.parameter->value).to(at::kCPU).contiguous().clone();
        },
        floats_value);
  });
}

Napi::Value EngineObject::freeze(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const FreezePlan plan = decode_plan(info[0]);
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          Model& model = model_of(state);
          apply_plan(model.parameters, plan, state.trainer ? &state.trainer->optimizer() : nullptr, model.snapshot());
          model.weights_changed();
          return describe_freezing(model);
        },
        freeze_value);
  });
}

Napi::Value EngineObject::create_trainer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const TrainerOptions options = decode_trainer_options(info[0]);
    std::shared_ptr<Collective> collective = collective_of(info[0].As<Napi::Object>().Get("group"));
    if (collective == nullptr) collective = std::make_shared<Alone>();
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          state.trainer = std::make_unique<Trainer>(model_of(state), options, collective);
          return ++state.trainer_id;
        },
        [](Napi::Env env, uint32_t id) -> Napi::Value { return Napi::Number::New(env, id); });
  });
}

Napi::Value EngineObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    auto shares = std::make_shared<const Shares>(decode_shares(info[1]));
    StepOptions options = decode_step_options(info[2]);
    const std::shared_ptr<PrefixStore> store = PrefixStoreObject::unwrap(info[3]);
    options.store = store.get();
    return promise_job(
        info.Env(), engine_,
        [shares, options, store, id](EngineState& state) { return trainer_of(state, id).launch(*shares, options); },
        step_value);
  });
}

Napi::Value EngineObject::expect_batches(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    const std::vector<BatchShape> shapes = decode_shapes(info[1]);
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          trainer_of(state, id).expect(shapes);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    auto shares = std::make_shared<const Shares>(decode_shares(info[1]));
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return trainer_of(state, id).gradient_norms(*shares); },
        norms_value);
  });
}

Napi::Value EngineObject::logits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[0]));
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return model_of(state).logits(*batch); }, floats_value);
  });
}

Napi::Value EngineObject::gradient_moments(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto id = static_cast<uint32_t>(decode_int(info[0], "trainer"));
    auto batches = std::make_shared<const std::vector<Shares>>(decode_share_list(info[1]));
    Engine* engine = engine_.get();  // alive while it runs a job
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          return trainer_of(state, id).gradient_moments(*batches, [engine] { engine->stop_if_cancelled(); });
        },
        gradient_moments_value);
  });
}

Napi::Value EngineObject::hidden_states(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[0]));
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return model_of(state).hidden_states(*batch); }, floats_value);
  });
}

// The states of another model, of the same tokens, are compared with this one's.
Napi::Value EngineObject::compare_states(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::shared_ptr<LinearCka> comparison = LinearCkaObject::unwrap(info[0]);
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[1]));
    auto others = std::make_shared<std::vector<float>>(decode_floats(info[2], "states"));
    const int64_t width = decode_int(info[3], "width");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          const at::Tensor states_PRH = model_of(state).hidden_states(*batch);
          const std::vector<int64_t> sizes{states_PRH.size(0), states_PRH.size(1), width};
          check(static_cast<int64_t>(others->size()) == sizes[0] * sizes[1] * sizes[2], ErrorCode::INVALID_BATCH,
                "states: expected those of ", sizes[0], " outputs of ", sizes[1], " tokens, of width ", width, ".");
          comparison->add(at::from_blob(others->data(), sizes, at::kFloat), states_PRH);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batches = std::make_shared<const std::vector<PackedBatch>>(decode_batches(info[0]));
    Engine* engine = engine_.get();  // alive while it runs a job
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) { return model_of(state).loss(*batches, [engine] { engine->stop_if_cancelled(); }); },
        loss_value);
  });
}

Napi::Value EngineObject::predict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batches = std::make_shared<const std::vector<PackedBatch>>(decode_batches(info[0]));
    const std::shared_ptr<PrefixStore> store = PrefixStoreObject::unwrap(info[1]);
    auto scored = std::make_shared<const std::vector<std::vector<int32_t>>>(
        info[2].IsUndefined() ? std::vector<std::vector<int32_t>>() : decode_int32_arrays(info[2], "scored"));
    Engine* engine = engine_.get();  // alive while it runs a job
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          return model_of(state).predict(*batches, store.get(), [engine] { engine->stop_if_cancelled(); }, *scored);
        },
        predictions_value);
  });
}

Napi::Value EngineObject::take_snapshot(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return promise_job(
        info.Env(), engine_,
        [](EngineState& state) {
          model_of(state).take_snapshot();
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::restore_snapshot(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return promise_job(
        info.Env(), engine_,
        [](EngineState& state) {
          model_of(state).restore_snapshot();
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value EngineObject::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return promise_job(
        info.Env(), engine_,
        [](EngineState& state) {
          const Model& model = unsettled_model_of(state);
          HeldBytes bytes;
          for (const Parameter& parameter : model.parameters.stored()) {
            bytes.parameters += parameter.value.nbytes() + packed_bytes(parameter.packings);
            if (parameter.rounded.defined()) bytes.parameters += parameter.rounded.nbytes();
            if (parameter.int8) bytes.parameters += parameter.int8->bytes();
            if (parameter.grad.defined()) bytes.gradients += parameter.grad.nbytes();
          }
          if (state.trainer) bytes.optimizer = state.trainer->optimizer().state_bytes();
          bytes.workspace = model.buffers.bytes();
          return bytes;
        },
        held_bytes_value);
  });
}

Napi::Value EngineObject::device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return promise_job(
        info.Env(), engine_,
        [](EngineState& state) {
          const Model& model = unsettled_model_of(state);
          const DeviceStep* step = state.trainer ? state.trainer->device_step() : nullptr;
          return DeviceFacts{model.device.str(), model.ops->attention_name(),
                       step != nullptr ? step->why_no_graphs() : "no steps are launched ahead",
                       model.ops->kernels_name(), model.ops->why_no_kernels(), model.precision,
                       step != nullptr ? step->graphs() : 0, step != nullptr ? step->launches() : 0,
                       state.trainer ? state.trainer->read_back_every() : 1, device_memory(model.device)};
        },
        device_facts_value);
  });
}

Napi::Value EngineObject::products(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return promise_job(
        info.Env(), engine_,
        [](EngineState& state) {
          const Model& model = unsettled_model_of(state);
          // Nothing large is multiplied in fp32 then.
          if (model.precision == at::kChar) return ProductFacts{};
          const ProductChoice* choice = model.ops->product_choice();
          if (choice == nullptr) return ProductFacts{};
          return ProductFacts{choice->library->name(), choice->library->description(), choice->origin, choice->reason,
                              at::get_num_threads()};
        },
        product_facts_value);
  });
}

Napi::Value EngineObject::gemm_floor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int64_t num_tokens = decode_int(info[0], "numTokens");
    const int64_t scored_tokens = decode_int(info[1], "scoredTokens");
    const std::string library = decode_string(info[2], "library");
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          return time_step_products(unsettled_model_of(state), num_tokens, scored_tokens, library);
        },
        timing_value);
  });
}

Napi::Value EngineObject::last_job(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(engine_->last_job()));
}

Napi::Value EngineObject::cancel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto id = static_cast<uint64_t>(decode_int(info[0], "job"));
    return Napi::Boolean::New(info.Env(), engine_->cancel(id));
  });
}

Napi::Value EngineObject::dispose(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Environment> environment = Environment::of(env);
  auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
  const bool is_first = engine_->stop([environment, deferred](EngineState& state) {
    drop_model(state);
    environment->post([environment, deferred](Napi::Env env) {
      environment->promise_settled();
      deferred->Resolve(env.Undefined());
    });
  });
  if (is_first) {
    environment->promise_opened();
  } else {
    deferred->Resolve(env.Undefined());
  }
  return deferred->Promise();
}

}  // namespace permafrost
