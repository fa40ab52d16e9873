// The addon's exports, and what it keeps for each environment.
#include <dlfcn.h>

#include "binding/engine_object.h"
#include "binding/environment.h"
#include "binding/napi_setup.h"
#include "binding/prefix_store_object.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "permafrost/build_info.h"

namespace permafrost {

namespace {

// libtorch tells its version at run time only within its build settings; older builds leave it out.
std::string loaded_version() {
  const std::string settings = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t at = settings.find(key);
  if (at == std::string::npos) return PERMAFROST_LIBTORCH_VERSION;
  const size_t begin = at + key.size();
  return settings.substr(begin, settings.find_first_of(", \n", begin) - begin);
}

// The file that libtorch's code was loaded from.
std::string loaded_path() {
  Dl_info info{};
  return dladdr(reinterpret_cast<const void*>(&at::show_config), &info) != 0 ? info.dli_fname : "";
}

Napi::Object describe_libtorch(Napi::Env env) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("builtVersion", PERMAFROST_LIBTORCH_VERSION);
  value.Set("root", PERMAFROST_LIBTORCH_ROOT);
  value.Set("loadedVersion", loaded_version());
  value.Set("loadedPath", loaded_path());
  value.Set("hasCuda", at::globalContext().hasCUDA());
  return value;
}

Napi::Array list_codes(Napi::Env env) {
  Napi::Array codes = Napi::Array::New(env);
#define PERMAFROST_PUSH(name) codes.Set(codes.Length(), #name);
  PERMAFROST_ERROR_CODES(PERMAFROST_PUSH)
#undef PERMAFROST_PUSH
  return codes;
}

Napi::Object initialise_addon(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new std::shared_ptr<Environment>(std::make_shared<Environment>(env)));
  exports.Set("version", PERMAFROST_VERSION);
  exports.Set("libtorch", describe_libtorch(env));
  exports.Set("errorCodes", list_codes(env));
  exports.Set("availableCores", available_cores());
  exports.Set("Engine", EngineObject::define(env));
  exports.Set("PrefixStore", PrefixStoreObject::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(permafrost, initialise_addon)

}  // namespace permafrost
