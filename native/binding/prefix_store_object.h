// A prefix store as JavaScript holds it, to be handed to the engines that share it.
#pragma once

#include <memory>

#include "binding/napi_setup.h"
#include "freezing/prefix_store.h"

namespace permafrost {

class PrefixStoreObject : public Napi::ObjectWrap<PrefixStoreObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PrefixStoreObject(const Napi::CallbackInfo& info);

  // The store behind a value, or null for undefined. Throws INVALID_OPTION for anything else.
  static std::shared_ptr<PrefixStore> unwrap(const Napi::Value& value);

 private:
  Napi::Value usage(const Napi::CallbackInfo& info);
  void begin_run(const Napi::CallbackInfo& info);
  void keep(const Napi::CallbackInfo& info);

  std::shared_ptr<PrefixStore> store_;
};

}  // namespace permafrost
