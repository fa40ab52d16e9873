#include "train/trainer.h"

#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"
#include "device/device.h"
#include "model/encoder.h"
#include "model/head.h"

namespace permafrost {

namespace {

constexpr const char* kStepBefore = " is not finite; the weights are those of the step before. ";

// `step` is 1-based. Both throw NON_FINITE.
void require_finite_loss(double loss, int64_t step) {
  check(std::isfinite(loss), ErrorCode::NON_FINITE, "The loss of step ", step, kStepBefore,
        "Lower the learning rate or look for damaged weights.");
}

void require_finite_gradient(double norm, int64_t step) {
  check(std::isfinite(norm), ErrorCode::NON_FINITE, "The gradient of step ", step, kStepBefore,
        "Lower the learning rate or clip harder.");
}

}  // namespace

Trainer::Trainer(Model& model, const TrainerOptions& options)
    : model_(model), options_(options), optimizer_(model.parameters, *model.ops, options.adamw) {
  const bool ahead = model.device.is_cpu() ? options.launch_ahead_on_cpu : model.config.head == Head::token_classification;
  // Disentangled attention reads the borders of the sequences on the host.
  if (!ahead || model.config.relative) return;
  DeviceStepOptions device_options;
  device_options.graphs = options.graphs;
  device_options.max_grad_norm = options.max_grad_norm;
  device_options.frozen_dropout = options.frozen_dropout;
  device_options.seed = options.seed;
  device_step_ = std::make_unique<DeviceStep>(model, optimizer_, device_options);
}

StepResult Trainer::step(const PackedBatch& batch, const StepOptions& options) {
  return launch(batch, options)();
}

std::function<StepResult()> Trainer::launch(const PackedBatch& batch, const StepOptions& options) {
  check_something_learns();
  if (!device_step_) {
    const StepResult result = step_at_once(batch, options);
    return [result] { return result; };
  }
  try {
    return launch_ahead(batch, options);
  } catch (const c10::OutOfMemoryError&) {
    // The next step starts afresh, with all memory that this one took.
    accumulated_batches_ = 0;
    accumulated_labelled_ = 0;
    device_step_->recover();
    throw;
  }
}

std::function<StepResult()> Trainer::launch_ahead(const PackedBatch& batch, const StepOptions& options) {
  validate(batch, model_.config);
  validate_labels(batch);
  const bool single = options_.gradient_accumulation == 1;
  const bool accumulate = accumulated_batches_ > 0;
  const int64_t labelled = count_labelled(batch);
  const int64_t all_labelled = accumulated_labelled_ + labelled;
  const bool update = accumulated_batches_ + 1 >= options_.gradient_accumulation || options.update_now;
  const double rate = present_learning_rate();
  const LaunchedStep launched{batch,
                              options.store,
                              passes_++,
                              accumulate,
                              update,
                              single ? 1.0 / static_cast<double>(labelled) : 1.0,
                              single ? 1.0 : 1.0 / static_cast<double>(all_labelled),
                              rate};
  const Readback readback = device_step_->launch(launched);
  accumulated_batches_ = update ? 0 : accumulated_batches_ + 1;
  accumulated_labelled_ = update ? 0 : all_labelled;
  if (update) ++updates_;
  const int64_t number = updates_ + (update ? 0 : 1);
  const int64_t tokens = batch.num_tokens();
  return [=] {
    const StepNumbers numbers = DeviceStep::numbers(readback);
    require_finite_loss(numbers.loss_sum, number);
    if (update) require_finite_gradient(numbers.grad_norm, number);
    const double norm = update ? numbers.grad_norm : std::numeric_limits<double>::quiet_NaN();
    return StepResult{numbers.loss_sum / static_cast<double>(labelled), norm, rate, tokens, update};
  };
}

double Trainer::present_learning_rate() const {
  return learning_rate_at(options_.schedule, options_.learning_rate, updates_, options_.warmup_steps,
                          options_.total_steps);
}

StepResult Trainer::step_at_once(const PackedBatch& batch, const StepOptions& options) {
  // A single batch has its mean gradient from the start, as Hugging Face computes it. Several batches
  // add up the gradients of their summed losses and are divided by all their labels at the update, so
  // that a large batch and its parts give the same.
  const bool single = options_.gradient_accumulation == 1;
  const bool accumulate = accumulated_batches_ > 0;
  validate(batch, model_.config);
  validate_labels(batch);
  const int64_t labelled = count_labelled(batch);
  const double scale = single ? 1.0 / static_cast<double>(labelled) : 1.0;
  const double loss = forward_backward(batch, scale, accumulate, options) / static_cast<double>(labelled);

  const double learning_rate = present_learning_rate();
  accumulated_labelled_ += labelled;
  if (++accumulated_batches_ < options_.gradient_accumulation && !options.update_now) {
    return {loss, std::numeric_limits<double>::quiet_NaN(), learning_rate, batch.num_tokens(), false};
  }
  const double mean_scale = single ? 1.0 : 1.0 / static_cast<double>(accumulated_labelled_);
  accumulated_batches_ = 0;
  accumulated_labelled_ = 0;

  const double norm = optimizer_.gradient_norm() * mean_scale;
  require_finite_gradient(norm, updates_ + 1);
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
  forward_backward(batch, 1.0 / static_cast<double>(count_labelled(batch)), false, {});
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

double Trainer::forward_backward(const PackedBatch& batch, double scale, bool accumulate,
                                 const StepOptions& options) {
  optimizer_.settle_rows(batch.input_ids);
  model_.round_weights();
  model_.ops->begin_pass();
  const GeneratorLock generator(model_.device, options_.seed, passes_);
  const BatchTensors tensors(batch, position_base(model_.config), model_.device);
  const PassContext context{model_.config, *model_.ops, model_.buffers, tensors,
                            {true, options_.seed, passes_++}, accumulate};
  EncoderActivations kept;
  const bool uses_store = options.store != nullptr && !options_.frozen_dropout;
  // Masked language modelling scores few tokens as it is.
  const bool labelled_only = !options.every_token || model_.config.head == Head::masked_lm;
  std::optional<PrefixLookup> lookup;
  if (uses_store) lookup.emplace(PrefixLookup{*options.store, model_.prefix_digests(), batch});
  const at::Tensor hidden_RH = encode(context, model_.parameters, options_.frozen_dropout, &kept,
                                      uses_store ? &*lookup : nullptr, labelled_only);
  const bool encoder_learns = frozen_prefix(model_.parameters) < model_.config.num_layers;
  const HeadGradients head = head_gradients(context, model_.parameters, hidden_RH, labelled_only, scale, encoder_learns);
  if (!std::isfinite(head.loss_sum)) {
    // The head may have added to what was accumulated before.
    accumulated_batches_ = 0;
    accumulated_labelled_ = 0;
    require_finite_loss(head.loss_sum, updates_ + 1);
  }
  encode_backward(context, model_.parameters, kept, head.dhidden_RH);
  return head.loss_sum;
}

void Trainer::check_something_learns() const {
  for (const Parameter& parameter : model_.parameters.stored()) {
    if (parameter.requires_grad) return;
  }
  fail(ErrorCode::INVALID_PLAN, "Nothing is trainable: every parameter is frozen.");
}

}  // namespace permafrost
