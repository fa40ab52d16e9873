// C++ exceptions as JavaScript errors with a stable code.
#pragma once

#include <exception>
#include <string>

#include "binding/napi_setup.h"
#include "core/error.h"

namespace permafrost {

// An exception taken apart on the thread where it was thrown.
struct Failure {
  ErrorCode code = ErrorCode::INTERNAL;
  std::string message;
};

// The one catch chain: own errors, memory, libtorch (without its backtrace), standard, anything.
Failure describe(const std::exception_ptr& exception);

// An Error with a `code`; src/native/call.ts makes it a PermafrostError with the caller's stack.
Napi::Value to_js(Napi::Env env, const Failure& failure);

// Runs `body` on the JavaScript thread; what it throws becomes a JavaScript exception.
template <typename Body>
auto guarded(Napi::Env env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error(env, to_js(env, describe(std::current_exception())));
  }
}

}  // namespace permafrost
