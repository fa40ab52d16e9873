// The addon's exports, and what it keeps for each environment.
#include "binding/describe_libraries.h"
#include "binding/engine_object.h"
#include "binding/environment.h"
#include "binding/group_object.h"
#include "binding/linear_cka_object.h"
#include "binding/napi_setup.h"
#include "binding/prefix_store_object.h"
#include "core/error.h"
#include "engine/engines.h"
#include "permafrost/build_info.h"

namespace permafrost {

namespace {

Napi::Array list_codes(Napi::Env env) {
  Napi::Array codes = Napi::Array::New(env);
#define PERMAFROST_PUSH(name) codes.Set(codes.Length(), #name);
  PERMAFROST_ERROR_CODES(PERMAFROST_PUSH)
#undef PERMAFROST_PUSH
  return codes;
}

void end_all_engines(const Napi::CallbackInfo&) { end_engines(); }

Napi::Object initialise_addon(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>(env)));
  exports.Set("version", PERMAFROST_VERSION);
  exports.Set("libtorch", describe_libtorch(env));
  exports.Set("errorCodes", list_codes(env));
  exports.Set("availableCores", available_cores());
  exports.Set("nvidiaDriver", Napi::Function::New(env, describe_driver, "nvidiaDriver"));
  exports.Set("cardEnergy", Napi::Function::New(env, describe_card_energy, "cardEnergy"));
  exports.Set("endEngines", Napi::Function::New(env, end_all_engines, "endEngines"));
  exports.Set("Engine", EngineObject::define(env));
  exports.Set("PrefixStore", PrefixStoreObject::define(env));
  exports.Set("LinearCka", LinearCkaObject::define(env));
  exports.Set("joinGroup", Napi::Function::New(env, join_group_value, "joinGroup"));
  return exports;
}

}  // namespace

NODE_API_MODULE(permafrost, initialise_addon)

}  // namespace permafrost
