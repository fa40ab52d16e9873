// Which library multiplies the large matrices of a model: the one that is fastest at them on this machine.
//
// Measured once and kept in a file, so that all processes of a machine, and a run that is resumed, compute the same bits.
#pragma once

#include <string>
#include <vector>

#include "products/product_library.h"

namespace permafrost {

struct ProductSettings {
  // `auto`, or a library by its name.
  std::string library = "auto";
  // Where measurements are kept; nothing is measured where it is empty.
  std::string directory;
};

// The largest linear map of a model's layers: what is measured.
struct ProductShape {
  int64_t out = 0, in = 0;
};

struct ProductChoice {
  ProductLibrary* library = nullptr;
  // forced: by name. measured: by this process. kept: as an earlier one measured. usual: without measuring.
  std::string origin;
  // Why nothing was measured, where it is the usual one.
  std::string reason;
};

// Of `libraries`, all of which multiply the type; the first is the usual one, and another has to be clearly faster.
ProductChoice choose_library(const std::vector<ProductLibrary*>& libraries, ProductShape shape, at::ScalarType type,
                             const std::string& directory);

}  // namespace permafrost
