#include "train/step.h"

namespace permafrost {

StepNumbers run_step(Model& model, Accumulation& accumulation, const StepInputs& inputs) {
  const PassContext& context = inputs.context;
  model.ops->begin_pass();
  EncoderActivations kept;
  const at::Tensor hidden_RH = encode(context, model.parameters, inputs.encoding, &kept);

  const bool encoder_learns = frozen_prefix(model.parameters) < model.config.num_layers;
  const HeadGradients head = model.head->gradients(context, hidden_RH, inputs.encoding.labelled_only,
                                                   inputs.loss_scale, encoder_learns);
  StepNumbers numbers{accumulation.over_ranks(head.loss_sum)};
  if (numbers.loss_sum.is_known_bad()) return numbers;

  encode_backward(context, model.parameters, kept, head.dhidden_RH);
  if (inputs.share.updates) {
    const auto [norm, fits] = accumulation.update(numbers.loss_sum, inputs.mean_scale, inputs.rates);
    numbers.grad_norm = norm;
    numbers.fits = fits;
  }
  return numbers;
}

}  // namespace permafrost
