// The one way from an engine's job to a JavaScript promise.
#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "binding/environment.h"
#include "binding/error_to_js.h"

namespace permafrost {

// A finished or refused job, on its way to the JavaScript thread.
template <typename Result>
struct Outcome {
  std::unique_ptr<Result> result;
  Failure failure;
};

// What a job gives in the end: what it returns, or what the function that it returns returns.
template <typename Returned, bool launches>
struct ResultOf {
  using type = Returned;
};
template <typename Returned>
struct ResultOf<Returned, true> {
  using type = std::invoke_result_t<Returned>;
};

// Queues work(state) → Result on the engine and returns a promise of to_value(env, result).
//
// Where `work` returns a function of Result instead, the job is done with its call, and the function is called
// later, in the order of the calls, to wait for a device and give the result.
//
// `kept` (JavaScript buffers that the work reads) stays referenced until the promise is settled.
template <typename Work, typename ToValue>
Napi::Value promise_job(Napi::Env env, const std::shared_ptr<Engine>& engine, Work work, ToValue to_value,
                        Napi::ObjectReference kept = {}) {
  using Returned = decltype(work(std::declval<EngineState&>()));
  constexpr bool launches = std::is_invocable_v<Returned>;
  using Result = typename ResultOf<Returned, launches>::type;
  const std::shared_ptr<Environment> environment = Environment::of(env);

  struct Promise {
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference kept;
    ToValue to_value;
  };
  auto promise = std::make_shared<Promise>(Promise{Napi::Promise::Deferred::New(env), std::move(kept), std::move(to_value)});
  const Napi::Value value = promise->deferred.Promise();

  // Its body runs on the JavaScript thread, where alone the reference to the buffers may be given up.
  const auto settle = [environment, promise](const std::shared_ptr<Outcome<Result>>& outcome) {
    environment->post([environment, promise, outcome](Napi::Env env) {
      environment->promise_settled();
      promise->kept.Reset();
      if (!outcome->result) {
        promise->deferred.Reject(to_js(env, outcome->failure));
        return;
      }
      try {
        promise->deferred.Resolve(promise->to_value(env, *outcome->result));
      } catch (const Napi::Error& error) {
        promise->deferred.Reject(error.Value());
      } catch (...) {
        promise->deferred.Reject(to_js(env, describe(std::current_exception())));
      }
    });
  };

  const auto settle_with = [settle](const auto& give) {
    auto outcome = std::make_shared<Outcome<Result>>();
    try {
      outcome->result = std::make_unique<Result>(give());
    } catch (...) {
      outcome->failure = describe(std::current_exception());
    }
    settle(outcome);
  };
  const auto run = [work = std::move(work), settle_with](EngineState& state) {
    if constexpr (launches) {
      Returned wait;
      try {
        wait = work(state);
      } catch (...) {
        // Settled in its turn, behind the steps launched before.
        wait = [failure = std::current_exception()]() -> Result { std::rethrow_exception(failure); };
      }
      state.launched.push_back([wait, settle_with] { settle_with(wait); });
    } else {
      settle_with([&] { return work(state); });
    }
  };
  const auto refuse = [settle] {
    auto outcome = std::make_shared<Outcome<Result>>();
    outcome->failure = {ErrorCode::DISPOSED, "The call was taken out of the queue: it was cancelled or its model disposed."};
    settle(outcome);
  };
  guarded(env, [&] { engine->submit(run, refuse, launches); });
  environment->promise_opened();
  return value;
}

}  // namespace permafrost
