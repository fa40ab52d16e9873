// Compiled for each addon by itself, with PERMAFROST_LIBTORCH_ROOT defined.
#include "binding/libtorch_root.h"

namespace permafrost {

const char* libtorch_root() { return PERMAFROST_LIBTORCH_ROOT; }

}  // namespace permafrost
