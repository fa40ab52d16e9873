// The only place that decides which parameters learn.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parameters.h"
#include "model/snapshot.h"
#include "optim/optimizer.h"

namespace permafrost {

struct FreezePlan {
  bool embeddings = false;
  std::vector<uint8_t> layers;  // 1 where the whole layer is frozen; [num_layers]
  std::vector<uint8_t> parts;   // LayerPart bits frozen beside; [num_layers]
};

// Applies the plan to every parameter: the flag, the gradient given up, the optimizer's state dropped.
// The flag alone would not freeze: an optimizer that still holds momentum moves a weight on. Idempotent.
// A snapshot keeps what thaws before it can move. `optimizer` and `snapshot` may be null. Throws INVALID_PLAN where the
// plan has another number of layers, WRITE_FAILED where the snapshot finds no room, with the old plan in force.
void apply_plan(Parameters& parameters, const FreezePlan& plan, Optimizer* optimizer, Snapshot* snapshot = nullptr);

}  // namespace permafrost
