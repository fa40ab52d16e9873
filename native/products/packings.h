// Weights as libraries packed them, kept beside the weight for as long as it stays as it is.
//
// Of frozen layers and of whole models that tag or are evaluated; what learns is read as it is. Whoever changes a weight
// drops its packings.
#pragma once

#include <memory>
#include <vector>

#include "products/product_library.h"

namespace permafrost {

struct Packing {
  const ProductLibrary* library;
  bool transposed;
  // Products since the weight last changed.
  int uses;
  // Null until it pays, and where the library packs nothing.
  std::unique_ptr<PackedMatrix> matrix;
};

struct Packings {
  std::vector<Packing> all;

  Packing& of(const ProductLibrary& library, bool transposed) {
    for (Packing& packing : all) {
      if (packing.library == &library && packing.transposed == transposed) return packing;
    }
    return all.emplace_back(Packing{&library, transposed, 0, nullptr});
  }
};

// Bytes of a weight's packings.
inline size_t packed_bytes(const std::shared_ptr<Packings>& packings) {
  size_t bytes = 0;
  if (packings == nullptr) return bytes;
  for (const Packing& packing : packings->all) bytes += packing.matrix != nullptr ? packing.matrix->bytes() : 0;
  return bytes;
}

}  // namespace permafrost
