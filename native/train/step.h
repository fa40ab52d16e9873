// The one order of a training step, whether it runs at once or is launched ahead of a device.
#pragma once

#include "model/encoder.h"
#include "model/model.h"
#include "train/accumulation.h"

namespace permafrost {

struct StepInputs {
  const PassContext& context;
  EncodeOptions encoding;
  const BatchShare& share;
  // Those of the share, where this step reads them.
  StepNumber loss_scale, mean_scale;
  const UpdateRates& rates;
};

struct StepNumbers {
  StepNumber loss_sum;     // of all ranks
  StepNumber grad_norm{};  // where the step updates
  StepNumber fits{1};      // 0 where the update would have made a weight that is not finite, and was not made
};

// Encode, head, backward, accumulate, clip, update. Stops where the loss is known not to be finite, and changes no
// weight where loss, norm or a new weight is not.
StepNumbers run_step(Model& model, Accumulation& accumulation, const StepInputs& inputs);

}  // namespace permafrost
