// What the addon keeps for each JavaScript environment (the main thread, and each worker thread).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "binding/napi_setup.h"
#include "engine/engine.h"

namespace permafrost {

// Carries finished work back to the JavaScript thread, and ends all engines with their environment.
class Environment {
 public:
  explicit Environment(Napi::Env env);

  // Calls `settle` on the JavaScript thread. From any thread.
  void post(std::function<void(Napi::Env)> settle);
  // Keep the event loop alive while promises are open. On the JavaScript thread.
  void promise_opened();
  void promise_settled();

  void add(const std::shared_ptr<Engine>& engine);

  static std::shared_ptr<Environment> of(Napi::Env env);

 private:
  using Settle = std::function<void(Napi::Env)>;
  static void call(Napi::Env env, Napi::Function, Environment*, Settle* settle);
  void close();

  Napi::Env env_;
  Napi::TypedThreadSafeFunction<Environment, Settle, &Environment::call> to_js_;
  std::vector<std::weak_ptr<Engine>> engines_;
  int64_t open_promises_ = 0;
  bool closed_ = false;
};

}  // namespace permafrost
