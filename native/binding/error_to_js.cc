#include "binding/error_to_js.h"

#include <new>

#include "core/libtorch.h"

namespace permafrost {

namespace {

constexpr const char* kMemoryRemedy =
    "Not enough memory. Use a smaller batch (with gradient accumulation), freeze more layers, or take a smaller model.";

// libtorch says "out of memory" by text alone on a CPU.
bool speaks_of_memory(const std::string& message) {
  return message.find("out of memory") != std::string::npos || message.find("can't allocate memory") != std::string::npos ||
         message.find("not enough memory") != std::string::npos;
}

// Memory that was lacking by libtorch's words, or else a fault of this package.
Failure from_libtorch(const std::string& message) {
  if (!speaks_of_memory(message)) return {ErrorCode::INTERNAL, message};
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
  } catch (const c10::OutOfMemoryError& error) {
    return {ErrorCode::OUT_OF_MEMORY, std::string(kMemoryRemedy) + " (" + error.what_without_backtrace() + ")"};
  } catch (const c10::Error& error) {
    return from_libtorch(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return from_libtorch(error.what());
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
