// The engine as JavaScript sees it: one promise-returning method an operation.
#pragma once

#include <memory>

#include "binding/napi_setup.h"
#include "engine/engine.h"

namespace permafrost {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  // Ends the engine without waiting for it.
  ~EngineObject() override;

 private:
  Napi::Value describe_model(const Napi::CallbackInfo& info);
  Napi::Value create_model(const Napi::CallbackInfo& info);
  Napi::Value initialise(const Napi::CallbackInfo& info);
  Napi::Value write_parameter(const Napi::CallbackInfo& info);
  Napi::Value read_parameter(const Napi::CallbackInfo& info);
  Napi::Value freeze(const Napi::CallbackInfo& info);
  Napi::Value create_trainer(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value gradient_moments(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value hidden_states(const Napi::CallbackInfo& info);
  Napi::Value compare_states(const Napi::CallbackInfo& info);
  Napi::Value loss(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value take_snapshot(const Napi::CallbackInfo& info);
  Napi::Value restore_snapshot(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value products(const Napi::CallbackInfo& info);
  Napi::Value gemm_floor(const Napi::CallbackInfo& info);
  Napi::Value last_job(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  // In training_state.cc.
  Napi::Value broadcast(const Napi::CallbackInfo& info);
  Napi::Value position(const Napi::CallbackInfo& info);
  Napi::Value expect_batches(const Napi::CallbackInfo& info);
  Napi::Value seek(const Napi::CallbackInfo& info);
  Napi::Value begin_stage(const Napi::CallbackInfo& info);
  Napi::Value gradient_l1(const Napi::CallbackInfo& info);
  Napi::Value gradient_sums(const Napi::CallbackInfo& info);
  Napi::Value write_gradient_sum(const Napi::CallbackInfo& info);
  Napi::Value read_moments(const Napi::CallbackInfo& info);
  Napi::Value write_moments(const Napi::CallbackInfo& info);
  Napi::Value moment_steps(const Napi::CallbackInfo& info);
  Napi::Value dump_tensors(const Napi::CallbackInfo& info);

  // In prefix_rows.cc.
  Napi::Value prefix_rows(const Napi::CallbackInfo& info);
  Napi::Value keep_prefix_rows(const Napi::CallbackInfo& info);

  std::shared_ptr<Engine> engine_;
};

}  // namespace permafrost
