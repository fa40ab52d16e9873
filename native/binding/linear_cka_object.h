// A comparison of representations as JavaScript holds it, to be handed to the engine of one of the two models.
#pragma once

#include <memory>

#include "binding/napi_setup.h"
#include "study/linear_cka.h"

namespace permafrost {

class LinearCkaObject : public Napi::ObjectWrap<LinearCkaObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LinearCkaObject(const Napi::CallbackInfo& info);

  // Throws INVALID_OPTION for any other value.
  static std::shared_ptr<LinearCka> unwrap(const Napi::Value& value);

 private:
  Napi::Value values(const Napi::CallbackInfo& info);
  Napi::Value tokens(const Napi::CallbackInfo& info);

  std::shared_ptr<LinearCka> comparison_;
};

}  // namespace permafrost
