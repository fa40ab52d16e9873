// The one error class of the native code, and the codes that JavaScript sees.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace permafrost {

// The same list, in the same order, as ERROR_CODES in src/errors/error.ts; a test compares them.
#define PERMAFROST_ERROR_CODES(X) \
  X(INVALID_OPTION)               \
  X(INVALID_BATCH)                \
  X(INVALID_PLAN)                 \
  X(DATA_FORMAT)                  \
  X(WEIGHTS_FORMAT)               \
  X(WEIGHTS_MISMATCH)             \
  X(UNSUPPORTED_MODEL)            \
  X(LABEL_MISMATCH)               \
  X(FILE_NOT_FOUND)               \
  X(WRITE_FAILED)                 \
  X(LOCKED)                       \
  X(RUN_MISMATCH)                 \
  X(NETWORK_FAILED)               \
  X(ACCESS_DENIED)                \
  X(REMOTE_NOT_FOUND)             \
  X(HASH_MISMATCH)                \
  X(OFFLINE)                      \
  X(DEVICE_UNAVAILABLE)           \
  X(OUT_OF_MEMORY)                \
  X(NON_FINITE)                   \
  X(QUEUE_FULL)                   \
  X(DISPOSED)                     \
  X(RANK_FAILED)                  \
  X(RANKS_DIVERGED)               \
  X(ADDON_MISSING)                \
  X(ADDON_MISMATCH)               \
  X(INTERNAL)

enum class ErrorCode {
#define PERMAFROST_ENUMERATOR(name) name,
  PERMAFROST_ERROR_CODES(PERMAFROST_ENUMERATOR)
#undef PERMAFROST_ENUMERATOR
};

const char* code_name(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Throws an Error whose message is the parts written one after another.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

// Throws unless `holds`; the parts are only put together when it does not.
template <typename... Parts>
void check(bool holds, ErrorCode code, const Parts&... parts) {
  if (!holds) fail(code, parts...);
}

}  // namespace permafrost
