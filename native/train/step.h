// The one order of a training pass, whether it runs at once or is launched ahead of a device.
#pragma once

#include <cstdint>
#include <functional>

#include "model/encoder.h"
#include "model/model.h"

namespace permafrost {

struct PassInputs {
  const PassContext& context;
  EncodeOptions encoding;
  // Of the gradients of the summed losses.
  StepNumber loss_scale;
};

// What is told of a pass while it runs.
struct PassEvents {
  std::function<void(double loss_sum)> on_loss = [](double) {};
  // A layer's gradients are complete: the head's, then those of the layers downwards, last the embeddings'. Where
  // nobody listens, gradients are complete at the end of the pass alone.
  std::function<void(int64_t layer)> on_layer;
};

// Encode, head, backward. Returns the sum of the losses of the labelled tokens, and stops where that is known not to be
// finite.
StepNumber run_pass(Model& model, const PassEvents& events, const PassInputs& inputs);

}  // namespace permafrost
