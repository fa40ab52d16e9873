#pragma once

namespace permafrost {

// Root of the libtorch that the addon was linked with by its path; empty in an addon that is given one where it runs.
const char* libtorch_root();

}  // namespace permafrost
