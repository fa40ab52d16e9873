// Outputs of the frozen prefix as bytes, by which ranks give each other what one of them has computed.
#pragma once

#include <cstdint>
#include <vector>

#include "freezing/prefix_store.h"
#include "model/model.h"

namespace permafrost {

// Those of a batch, [T, hidden] of the activations' type, contiguous on the CPU; computed and kept where the store lacks
// them. Throws INVALID_PLAN where no layer is in the prefix.
at::Tensor prefix_rows(Model& model, const PackedBatch& batch, PrefixStore& store);

// Keeps what a model of the same weights and type gave for the batch. Throws INVALID_BATCH for another number of bytes.
void keep_prefix_rows(Model& model, const PackedBatch& batch, PrefixStore& store, const std::vector<uint8_t>& bytes);

}  // namespace permafrost
