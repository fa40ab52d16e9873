#include "train/trainer.h"

#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"
#include "model/encoder.h"
#include "model/head.h"

namespace permafrost {

Trainer::Trainer(Model& model, const TrainerOptions& options)
    : model_(model), options_(options), optimizer_(model.parameters, *model.ops, options.adamw) {}

StepResult Trainer::step(const PackedBatch& batch, bool update_now, PrefixStore* store) {
  check_something_learns();
  // A single batch has its mean gradient from the start, as Hugging Face computes it. Several batches
  // add up the gradients of their summed losses and are divided by all their labels at the update, so
  // that a large batch and its parts give the same.
  const bool single = options_.gradient_accumulation == 1;
  const bool accumulate = accumulated_batches_ > 0;
  validate(batch, model_.config);
  validate_labels(batch);
  const int64_t labelled = count_labelled(batch);
  const Pass pass = forward_backward(batch, single ? 1.0 / static_cast<double>(labelled) : 1.0, accumulate, store);
  const double loss = pass.loss_sum / static_cast<double>(pass.labelled);

  const double learning_rate = learning_rate_at(options_.schedule, options_.learning_rate, updates_,
                                                options_.warmup_steps, options_.total_steps);
  accumulated_labelled_ += pass.labelled;
  if (++accumulated_batches_ < options_.gradient_accumulation && !update_now) {
    return {loss, std::numeric_limits<double>::quiet_NaN(), learning_rate, batch.num_tokens(), false};
  }
  const double mean_scale = single ? 1.0 : 1.0 / static_cast<double>(accumulated_labelled_);
  accumulated_batches_ = 0;
  accumulated_labelled_ = 0;

  const double norm = optimizer_.gradient_norm() * mean_scale;
  check(std::isfinite(norm), ErrorCode::NON_FINITE, "The gradient of step ", updates_ + 1,
        " is not finite; the weights are those of the step before. Lower the learning rate or clip harder.");
  optimizer_.update(learning_rate, mean_scale * clip_factor(norm, options_.max_grad_norm));
  ++updates_;
  return {loss, norm, learning_rate, batch.num_tokens(), true};
}

std::vector<double> Trainer::gradient_norms(const PackedBatch& batch) {
  check_something_learns();
  validate(batch, model_.config);
  validate_labels(batch);
  accumulated_batches_ = 0;
  accumulated_labelled_ = 0;
  forward_backward(batch, 1.0 / static_cast<double>(count_labelled(batch)), false, nullptr);
  std::vector<double> norms;
  for (const NamedParameter& named : model_.parameters.named()) {
    const bool learns = named.parameter->requires_grad && named.parameter->grad.defined();
    norms.push_back(learns ? std::sqrt(model_.ops->squared_norm(named.view(named.parameter->grad)))
                           : std::numeric_limits<double>::quiet_NaN());
  }
  return norms;
}

TrainerPosition Trainer::position() const {
  check(accumulated_batches_ == 0, ErrorCode::INVALID_OPTION, "Gradients of ", accumulated_batches_,
        " batches wait for their update; take the state after it.");
  return {updates_, passes_};
}

void Trainer::seek(const TrainerPosition& position) {
  updates_ = position.updates;
  passes_ = position.passes;
  accumulated_batches_ = 0;
  accumulated_labelled_ = 0;
}

Trainer::Pass Trainer::forward_backward(const PackedBatch& batch, double scale, bool accumulate, PrefixStore* store) {
  const BatchTensors tensors(batch, model_.device);
  const PassContext context{model_.config, *model_.ops, model_.workspace, tensors,
                            {true, options_.seed, passes_++}, accumulate};
  EncoderActivations kept;
  const bool uses_store = store != nullptr && !options_.frozen_dropout;
  std::optional<StoredPrefix> stored;
  if (uses_store) stored.emplace(StoredPrefix{*store, model_.prefix_digests(), batch});
  const at::Tensor hidden_TH =
      encode(context, model_.parameters, options_.frozen_dropout, &kept, uses_store ? &*stored : nullptr);
  const bool encoder_learns = frozen_prefix(model_.parameters) < model_.config.num_layers;
  const HeadGradients head = head_gradients(context, model_.parameters, hidden_TH, scale, encoder_learns);
  if (!std::isfinite(head.loss_sum)) {
    // The head may have added to what was accumulated before.
    accumulated_batches_ = 0;
    accumulated_labelled_ = 0;
    fail(ErrorCode::NON_FINITE, "The loss of step ", updates_ + 1,
         " is not finite; the weights are those of the step before. Lower the learning rate or look for damaged weights.");
  }
  encode_backward(context, model_.parameters, kept, head.dhidden_TH);
  return {head.loss_sum, count_labelled(batch)};
}

void Trainer::check_something_learns() const {
  for (const Parameter& parameter : model_.parameters.stored()) {
    if (parameter.requires_grad) return;
  }
  fail(ErrorCode::INVALID_PLAN, "Nothing is trainable: every parameter is frozen.");
}

}  // namespace permafrost
