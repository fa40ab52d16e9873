#include "core/error.h"

namespace permafrost {

const char* code_name(ErrorCode code) {
  switch (code) {
#define PERMAFROST_CASE(name) \
  case ErrorCode::name:       \
    return #name;
    PERMAFROST_ERROR_CODES(PERMAFROST_CASE)
#undef PERMAFROST_CASE
  }
  return "INTERNAL";
}

}  // namespace permafrost
