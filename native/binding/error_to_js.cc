#include "binding/error_to_js.h"

#include <new>

#include "core/libtorch.h"
#include "core/memory_error.h"

namespace permafrost {

namespace {

constexpr const char* kMemoryRemedy =
    "Not enough memory. Use a smaller batch (with gradient accumulation), freeze more layers, or take a smaller model.";

// Memory that was lacking, or else a fault of this package.
Failure from_library(const std::exception& error, const std::string& message) {
  if (!is_out_of_memory(error)) return {ErrorCode::INTERNAL, message};
  return {ErrorCode::OUT_OF_MEMORY, std::string(kMemoryRemedy) + " (" + message + ")"};
}

}  // namespace

Failure describe(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::OUT_OF_MEMORY, kMemoryRemedy};
  } catch (const c10::Error& error) {
    return from_library(error, error.what_without_backtrace());
  } catch (const std::exception& error) {
    return from_library(error, error.what());
  } catch (...) {
    return {ErrorCode::INTERNAL, "Something that is not an exception was thrown."};
  }
}

Napi::Value to_js(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, code_name(failure.code)));
  return error.Value();
}

}  // namespace permafrost
