#include "binding/environment.h"

#include <algorithm>

namespace permafrost {

Environment::Environment(Napi::Env env) : env_(env) {
  to_js_ = decltype(to_js_)::New(env, "permafrost", 0, 1, this);
  // Idle engines must not keep a process alive.
  to_js_.Unref(env);
  env.AddCleanupHook([this] { close(); });
}

void Environment::post(std::function<void(Napi::Env)> settle) {
  auto carried = std::make_unique<Settle>(std::move(settle));
  // Refused only while the environment is going. What was carried holds JavaScript references, which must
  // not die on this thread, so it is left to the environment's end.
  to_js_.NonBlockingCall(carried.release());
}

void Environment::promise_opened() {
  if (open_promises_++ == 0) to_js_.Ref(env_);
}

void Environment::promise_settled() {
  if (--open_promises_ == 0 && !closed_) to_js_.Unref(env_);
}

void Environment::add(const std::shared_ptr<Engine>& engine) {
  engines_.erase(std::remove_if(engines_.begin(), engines_.end(), [](const auto& weak) { return weak.expired(); }),
                 engines_.end());
  engines_.push_back(engine);
}

std::shared_ptr<Environment> Environment::of(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}

void Environment::call(Napi::Env env, Napi::Function, Environment*, Settle* settle) {
  const std::unique_ptr<Settle> owned(settle);
  // A null env means that the environment is going: nobody is left to hear of it.
  if (static_cast<napi_env>(env) == nullptr) return;
  const Napi::HandleScope scope(env);
  try {
    (*owned)(env);
  } catch (const Napi::Error&) {
    // A worker thread on its way out still empties its queue, but lets no promise be settled any more.
    // Thrown on from here, the error would end the process.
  }
}

void Environment::close() {
  closed_ = true;
  for (const auto& weak : engines_) {
    if (const auto engine = weak.lock()) engine->abandon();
  }
  for (const auto& weak : engines_) {
    if (const auto engine = weak.lock()) engine->join();
  }
  to_js_.Release();
}

}  // namespace permafrost
