#include "binding/linear_cka_object.h"

#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/error_to_js.h"
#include "core/error.h"

namespace permafrost {

namespace {

// Marks the objects of this class, so that no other object is taken for one.
constexpr napi_type_tag kTypeTag = {0x70656d6166726f73, 0x6c696e6561726361};

}  // namespace

Napi::Function LinearCkaObject::define(Napi::Env env) {
  return DefineClass(env, "LinearCka", {InstanceMethod<&LinearCkaObject::values>("values"),
                                         InstanceMethod<&LinearCkaObject::tokens>("tokens")});
}

LinearCkaObject::LinearCkaObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LinearCkaObject>(info) {
  guarded(info.Env(), [&] { comparison_ = std::make_shared<LinearCka>(decode_int(info[0], "pairs")); });
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

std::shared_ptr<LinearCka> LinearCkaObject::unwrap(const Napi::Value& value) {
  check(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kTypeTag), ErrorCode::INVALID_OPTION,
        "comparison: expected a LinearCka.");
  return Napi::ObjectWrap<LinearCkaObject>::Unwrap(value.As<Napi::Object>())->comparison_;
}

Napi::Value LinearCkaObject::values(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return norms_value(info.Env(), comparison_->values()); });
}

Napi::Value LinearCkaObject::tokens(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(comparison_->tokens()));
}

}  // namespace permafrost
