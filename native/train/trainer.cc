#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "core/error.h"
#include "device/device.h"

namespace permafrost {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// `step` is 1-based. Throws NON_FINITE.
void require_finite(double number, const char* what, int64_t step, const char* remedy) {
  check(std::isfinite(number), ErrorCode::NON_FINITE, "The ", what, " of step ", step,
        " is not finite; the weights are those of the step before. Lower the learning rate or ", remedy, ".");
}

}  // namespace

Trainer::Trainer(Model& model, const TrainerOptions& options, std::shared_ptr<Collective> collective)
    : model_(model), options_(options), collective_(std::move(collective)),
      optimizer_(model.parameters, *model.ops, options),
      accumulation_(model.parameters, optimizer_, *collective_, options.gradient_accumulation),
      loss_(options.loss, model.config.num_labels, model.device) {
  check(loss_.is_plain() || model.config.head == "token-classification", ErrorCode::INVALID_OPTION,
        "classWeights, labelSmoothing and focalGamma: expected the head of tokens by themselves, got '",
        model.config.head, "'.");
  const bool ahead = model.device.is_cuda() || options.launch_ahead_on_cpu;
  // Disentangled attention reads the borders of the sequences on the host.
  if (!ahead || model.head->reads_back() || model.config.relative) return;
  device_step_ = std::make_unique<DeviceStep>(model, optimizer_, accumulation_, loss_, options,
                                              collective_->size() > 1 ? "ranks meet within the step" : "");
}

std::function<StepResult()> Trainer::launch(const PackedBatch& batch, const StepOptions& options) {
  check_batch(batch);
  const std::vector<int32_t> labelled = labelled_tokens(batch);
  const BatchShare share =
      accumulation_.add(static_cast<int64_t>(labelled.size()), weight_of(batch, labelled), options.update_now);
  const double rate = optimizer_.rates().common_at(updates_);
  const int64_t number = updates_ + 1, tokens = batch.num_tokens();
  const double clip = options_.max_grad_norm;
  const auto result_of = [share, rate, number, tokens, clip](double loss_sum, double norm, bool fits) {
    require_finite(loss_sum, "loss", number, "look for damaged weights");
    if (share.updates) {
      require_finite(norm, "gradient", number, "clip harder");
      const bool is_finite = fits && norm * clip_factor(norm, clip) <= kLargestGradient;
      require_finite(is_finite ? 0 : kNone, "update", number, "the weight decay");
    }
    const double loss = loss_sum / share.weight;
    return StepResult{loss, share.updates ? norm : kNone, rate, tokens, share.labelled, share.weight, share.updates};
  };
  try {
    if (device_step_) {
      const std::vector<double> rates = optimizer_.rates().at(updates_);
      const Readback numbers = device_step_->launch({batch, options.store, next_pass(), share, rates});
      updates_ += share.updates;
      return [numbers, result_of] {
        const std::vector<float> values = numbers.read();
        return result_of(values[0], values[1], values.size() < 3 || values[2] != 0);
      };
    }
    const StepNumbers numbers = run_at_once(batch, labelled, share, options);
    const StepResult result =
        result_of(numbers.loss_sum.value, numbers.grad_norm.value, numbers.fits.value != 0);
    updates_ += share.updates;
    return [result] { return result; };
  } catch (const std::exception& error) {
    // The next step starts afresh, for gradients may have been added to, and with all memory that this one took.
    accumulation_.drop();
    if (device_step_ && dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) device_step_->recover();
    throw;
  }
}

StepNumbers Trainer::run_at_once(const PackedBatch& batch, const std::vector<int32_t>& labelled,
                                 const BatchShare& share, const StepOptions& options) {
  optimizer_.settle_rows(batch.input_ids);
  model_.round_weights();
  const DropoutPass dropout = next_pass();
  const GeneratorLock generator(model_.device, dropout.seed, dropout.pass);
  const BatchTensors tensors(batch, position_base(model_.config), model_.device, labelled);
  // A rank may have no label where others do.
  const bool labelled_only = !labelled.empty() && model_.head->labelled_only(options.every_token);
  EncodeOptions encoding{options_.frozen_dropout, labelled_only};
  if (options.store != nullptr && !options_.frozen_dropout) {
    encoding.prefix_TH = model_.prefix_of(batch, tensors, *options.store);
  }
  PassContext context{model_.config, *model_.ops, model_.buffers, tensors, dropout, share.adds};
  context.loss = &loss_;
  const UpdateRates rates{optimizer_.rates().at(updates_)};
  return run_step(model_, accumulation_, {context, encoding, share, {share.loss_scale}, {share.mean_scale}, rates});
}

std::vector<double> Trainer::gradient_norms(const PackedBatch& batch) {
  check_batch(batch);
  const std::vector<int32_t> labelled = labelled_tokens(batch);
  const BatchShare share = accumulation_.look(static_cast<int64_t>(labelled.size()), weight_of(batch, labelled));
  const StepNumbers numbers = run_at_once(batch, labelled, share, {});
  require_finite(numbers.loss_sum.value, "loss", updates_ + 1, "look for damaged weights");
  accumulation_.sum_gradients();
  std::vector<double> norms;
  for (const NamedParameter& named : model_.parameters.named()) {
    const bool learns = named.parameter->requires_grad && named.parameter->grad.defined();
    norms.push_back(learns ? std::sqrt(model_.ops->squared_norm(named.view(named.parameter->grad))) : kNone);
  }
  return norms;
}

std::vector<GradientMoments> Trainer::gradient_moments(const std::vector<PackedBatch>& batches,
                                                       const std::function<void()>& stop) {
  const auto& named = model_.parameters.named();
  std::vector<double> squares(named.size(), 0);
  std::unordered_map<const Parameter*, at::Tensor> sums;
  for (const PackedBatch& batch : batches) {
    stop();
    const std::vector<double> norms = gradient_norms(batch);
    for (size_t i = 0; i < named.size(); ++i) squares[i] += norms[i] * norms[i];
    for (const Parameter& parameter : model_.parameters.stored()) {
      if (!parameter.requires_grad || !parameter.grad.defined()) continue;
      at::Tensor& sum = sums[&parameter];
      sum = sum.defined() ? sum.add_(parameter.grad) : parameter.grad.clone();
    }
  }
  const auto count = static_cast<double>(batches.size());
  std::vector<GradientMoments> moments;
  for (size_t i = 0; i < named.size(); ++i) {
    const auto sum = sums.find(named[i].parameter);
    moments.push_back(sum == sums.end()
                          ? GradientMoments{kNone, kNone}
                          : GradientMoments{squares[i] / count,
                                            model_.ops->squared_norm(named[i].view(sum->second)) / (count * count)});
  }
  return moments;
}

TrainerPosition Trainer::position() const {
  // Every batch took one pass.
  return {updates_, passes_ - static_cast<uint32_t>(accumulation_.waiting())};
}

void Trainer::seek(const TrainerPosition& position) {
  updates_ = position.updates;
  passes_ = position.passes;
  accumulation_.drop();
}

DropoutPass Trainer::next_pass() {
  const auto size = static_cast<uint32_t>(collective_->size());
  return {true, options_.seed, passes_++ * size + static_cast<uint32_t>(collective_->rank())};
}

void Trainer::begin_stage(TrainingStage stage) {
  if (stage.first < 0) stage.first = updates_;
  optimizer_.begin_stage(stage);
}

double Trainer::weight_of(const PackedBatch& batch, const std::vector<int32_t>& labelled) const {
  if (loss_.is_plain() && batch.weights.empty()) return static_cast<double>(labelled.size());
  const std::vector<float> of_tokens = token_weights(batch);
  double weight = 0;
  for (const int32_t token : labelled) {
    const double of_class = loss_.weight_of(batch.labels[static_cast<size_t>(token)]);
    weight += of_class * (of_tokens.empty() ? 1.0 : of_tokens[static_cast<size_t>(token)]);
  }
  return weight;
}

void Trainer::check_batch(const PackedBatch& batch) const {
  const std::deque<Parameter>& all = model_.parameters.stored();
  check(std::any_of(all.begin(), all.end(), [](const Parameter& parameter) { return parameter.requires_grad; }),
        ErrorCode::INVALID_PLAN, "Nothing is trainable: every parameter is frozen.");
  validate(batch, model_.config);
  check(!batch.labels.empty(), ErrorCode::INVALID_BATCH,
        "A training batch needs labels; this one has only inputIds and cuSeqlens.");
  check(batch.weights.empty() || model_.config.head != "masked-lm", ErrorCode::INVALID_BATCH,
        "weights: a masked language model learns from all sequences alike.");
}

}  // namespace permafrost
