#include "train/step.h"

namespace permafrost {

StepNumber run_pass(Model& model, const PassEvents& events, const PassInputs& inputs) {
  const PassContext& context = inputs.context;
  model.ops->begin_pass();
  EncoderActivations kept;
  const at::Tensor hidden_RH = encode(context, model.parameters, inputs.encoding, &kept);

  const bool encoder_learns = frozen_prefix(model.parameters) < model.config.num_layers;
  const HeadGradients head = model.head->gradients(context, hidden_RH, inputs.encoding.labelled_only,
                                                   inputs.loss_scale, encoder_learns);
  if (!head.loss_sum.on_device()) events.on_loss(head.loss_sum.value);
  if (head.loss_sum.is_known_bad()) return head.loss_sum;

  const auto on_layer = [&](int64_t layer) {
    if (!events.on_layer) return;
    model.ops->finish_gradients();
    events.on_layer(layer);
  };
  on_layer(model.config.num_layers);
  encode_backward(context, model.parameters, kept, head.dhidden_RH, on_layer);
  model.ops->finish_gradients();
  return head.loss_sum;
}

}  // namespace permafrost
