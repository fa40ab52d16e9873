#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "core/error.h"
#include "core/memory_error.h"

namespace permafrost {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// `step` is 1-based. Throws NON_FINITE.
void require_finite(double number, const char* what, int64_t step, const char* remedy) {
  check(std::isfinite(number), ErrorCode::NON_FINITE, "The ", what, " of step ", step,
        " is not finite; the weights are those of the step before. Lower the learning rate or ", remedy, ".");
}

// What a share without sequences is computed as: its loss and gradients are zero.
PackedBatch unlabelled_token(const EncoderConfig& config) {
  return {{static_cast<int32_t>(std::max<int64_t>(0, config.pad_token_id))}, {kIgnoredLabel}, {0, 1}};
}

bool launches_ahead(const Model& model, const TrainerOptions& options) {
  const bool ahead = model.device.is_cuda() || options.launch_ahead_on_cpu;
  // Disentangled attention reads the borders of the sequences on the host. Shards are passed over one by one.
  return ahead && !model.head->reads_back() && !model.config.relative && options.gradient_shards == 0;
}

}  // namespace

Trainer::Trainer(Model& model, const TrainerOptions& options, std::shared_ptr<Collective> collective)
    : model_(model), options_(options), collective_(std::move(collective)),
      optimizer_(model.parameters, *model.ops, options),
      accumulation_(model.parameters, optimizer_, *collective_,
                    {options.gradient_accumulation, options.gradient_shards,
                     model.device.is_cpu() && !launches_ahead(model, options)}),
      generator_(model.device), loss_(options.loss, model.config.num_labels, model.device),
      filler_(unlabelled_token(model.config)) {
  check(model.precision != at::kChar, ErrorCode::INVALID_OPTION,
        "precision 'int8' is for tagging and evaluation. Load the model with 'fp32' or 'bf16' to train it.");
  check(loss_.is_plain() || model.config.head == "token-classification", ErrorCode::INVALID_OPTION,
        "classWeights, labelSmoothing and focalGamma: expected the head of tokens by themselves, got '",
        model.config.head, "'.");
  if (!launches_ahead(model, options)) return;
  device_step_ = std::make_unique<DeviceStep>(model, optimizer_, accumulation_, generator_, loss_, options,
                                              collective_->size() > 1 ? "ranks meet within the step" : "");
}

template <typename Body>
auto Trainer::together(const Body& body) {
  check(why_broken_.empty(), ErrorCode::RANK_FAILED, why_broken_);
  const uint32_t settled = position().passes;
  // Whether this rank has begun what the others may have begun as well.
  bool entered = false;
  try {
    return body(entered);
  } catch (const std::exception& error) {
    // The next step starts afresh, for gradients may have been added to, and with all memory that this one took.
    accumulation_.drop();
    accumulation_.sums().abandon();
    if (device_step_ && is_out_of_memory(error)) device_step_->recover();
    if (collective_->size() == 1) throw;
    const auto* known = dynamic_cast<const Error*>(&error);
    if (known != nullptr && known->code() == ErrorCode::RANK_FAILED) {
      // The position is that of the last common update, from which others go on with the same dropout.
      passes_ = settled;
      why_broken_ = "Step " + std::to_string(updates_ + 1) + ": " + error.what();
      fail(ErrorCode::RANK_FAILED, why_broken_);
    }
    // What is not finite is so on every rank.
    if (entered && (known == nullptr || known->code() != ErrorCode::NON_FINITE)) {
      why_broken_ = "This rank gave up in step " + std::to_string(updates_ + 1) + ", so that the others wait for it: " +
                    error.what() + " Let it leave the group, and begin again from the last state that was kept.";
    }
    throw;
  }
}

std::function<StepResult()> Trainer::launch(const Shares& shares, const StepOptions& options) {
  Announcement own;
  const std::vector<Leaf> leaves = leaves_of(shares, own);
  own.flags = options.flags;
  const double rate = optimizer_.rates().common_at(updates_);
  const int64_t number = updates_ + 1;
  const double clip = options_.max_grad_norm;
  return together([&](bool& entered) -> std::function<StepResult()> {
    const BatchShare share = accumulation_.add(own, options.update_now);
    entered = true;
    ++passes_;
    const auto result_of = [share, rate, number, clip](double loss_sum, double norm, bool fits) {
      require_finite(loss_sum, "loss", number, "look for damaged weights");
      if (share.updates) {
        require_finite(norm, "gradient", number, "clip harder");
        const bool is_finite = fits && norm * clip_factor(norm, clip) <= kLargestGradient;
        require_finite(is_finite ? 0 : kNone, "update", number, "the weight decay");
      }
      return StepResult{loss_sum / share.weight, share.updates ? norm : kNone, rate,          share.tokens,
                        share.labelled,          share.weight,                 share.updates, share.flags};
    };
    const std::vector<double> rates = optimizer_.rates().at(updates_);
    if (device_step_) {
      const PackedBatch& batch = *leaves.front().batch;
      PrefixStore* store = &batch == &filler_ ? nullptr : options.store;
      const Readback numbers = device_step_->launch({batch, store, dropout_of(batch, own.first), share, rates});
      updates_ += share.updates;
      return [numbers, result_of] {
        const std::vector<float> values = numbers.read();
        return result_of(values[0], values[1], values.size() < 3 || values[2] != 0);
      };
    }
    const double loss_sum = run_at_once(leaves, own.first, share, options);
    Optimizer::Update update{kNone};
    if (share.updates && std::isfinite(loss_sum)) update = optimizer_.update({rates}, share.mean_scale);
    const StepResult result = result_of(loss_sum, update.norm, update.fits);
    updates_ += share.updates;
    return [result] { return result; };
  });
}

double Trainer::run_at_once(const std::vector<Leaf>& leaves, int64_t first, const BatchShare& share,
                            const StepOptions& options) {
  model_.round_weights();
  GradientSums& sums = accumulation_.sums();
  const PassEvents events{[&](double loss_sum) { sums.add_loss(loss_sum); },
                          [&](int64_t layer) { sums.layer_done(layer); }};
  for (const Leaf& leaf : leaves) {
    const PackedBatch& batch = *leaf.batch;
    optimizer_.settle_rows(batch.input_ids);
    const DropoutPass dropout = dropout_of(batch, first++);
    const auto turn = generator_.take_turn(dropout.seed, dropout.pass);
    BatchTensors tensors(batch, position_base(model_.config), model_.device, leaf.labelled);
    // The rows of distances, and their masks, are those of the longest sequence.
    if (model_.config.relative) tensors.longest = std::max(tensors.longest, share.longest);
    // A share may have no label where others do.
    const bool labelled_only = !leaf.labelled.empty() && model_.head->labelled_only(options.every_token);
    EncodeOptions encoding{options_.frozen_dropout, labelled_only};
    if (options.store != nullptr && !options_.frozen_dropout && &batch != &filler_) {
      encoding.prefix_TH = model_.prefix_of(batch, tensors, *options.store);
    }
    PassContext context{model_.config, *model_.ops, model_.buffers, tensors, dropout, sums.begin_leaf()};
    context.loss = &loss_;
    run_pass(model_, events, {context, encoding, {share.loss_scale}});
    sums.end_leaf();
  }
  return accumulation_.finish();
}

void Trainer::expect(std::vector<BatchShape> shapes) {
  for (const BatchShape& shape : shapes) {
    const bool is_possible = shape.longest >= 1 && shape.longest <= model_.config.max_positions && shape.sequences >= 1 &&
                             shape.tokens >= shape.longest + shape.sequences - 1 &&
                             shape.tokens <= shape.longest * shape.sequences;
    check(is_possible, ErrorCode::INVALID_BATCH, "shapes: no batch has ", shape.tokens, " tokens in ", shape.sequences,
          " sequences, the longest of ", shape.longest, ", for a model of ", model_.config.max_positions, " positions.");
  }
  if (device_step_) device_step_->expect(std::move(shapes));
}

std::vector<double> Trainer::gradient_norms(const Shares& shares) {
  Announcement own;
  const std::vector<Leaf> leaves = leaves_of(shares, own);
  return together([&](bool& entered) {
    const BatchShare share = accumulation_.look(own);
    entered = true;
    ++passes_;
    const double loss_sum = run_at_once(leaves, own.first, share, {});
    require_finite(loss_sum, "loss", updates_ + 1, "look for damaged weights");
    std::vector<double> norms;
    for (const NamedParameter& named : model_.parameters.named()) {
      const bool learns = named.parameter->requires_grad && named.parameter->grad.defined();
      norms.push_back(learns ? std::sqrt(model_.ops->squared_norm(named.view(named.parameter->grad))) : kNone);
    }
    return norms;
  });
}

std::vector<GradientMoments> Trainer::gradient_moments(const std::vector<Shares>& batches,
                                                       const std::function<void()>& stop) {
  const auto& named = model_.parameters.named();
  std::vector<double> squares(named.size(), 0);
  std::unordered_map<const Parameter*, at::Tensor> sums;
  for (const Shares& batch : batches) {
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

void Trainer::broadcast(bool state) {
  together([&](bool& entered) {
    entered = true;
    accumulation_.drop();
    optimizer_.settle();
    std::vector<at::Tensor> tensors;
    std::vector<double> facts;
    for (const Parameter& parameter : model_.parameters.stored()) {
      if (model_.snapshot() != nullptr) model_.snapshot()->keep(parameter);
      tensors.push_back(parameter.value);
      const Optimizer::State* moments = optimizer_.state_of(parameter);
      facts.push_back(moments == nullptr ? -1 : static_cast<double>(moments->step));
    }
    if (state) {
      facts.push_back(static_cast<double>(updates_));
      facts.push_back(passes_);
      // Those of rank 0 come first.
      const std::vector<double> all = gather_numbers(*collective_, facts);
      auto fact = all.begin();
      for (const Parameter& parameter : model_.parameters.stored()) {
        const double updates = *fact++;
        if (updates < 0) {
          optimizer_.forget(parameter);
          continue;
        }
        Optimizer::State& moments = optimizer_.begin_state(parameter);
        moments.step = static_cast<int64_t>(updates);
        for (const at::Tensor& tensor : {moments.exp_avg, moments.exp_avg_sq, moments.gradient_sum}) {
          if (tensor.defined()) tensors.push_back(tensor);
        }
      }
      updates_ = static_cast<int64_t>(fact[0]);
      passes_ = static_cast<uint32_t>(fact[1]);
    }
    collective_->broadcast(tensors, 0);
    model_.weights_changed();
    return true;
  });
}

DropoutPass Trainer::dropout_of(const PackedBatch& batch, int64_t leaf) const {
  const uint32_t pass = passes_ - 1;
  if (!batch.rows.empty() && model_.ops->masks_by_row()) return {true, options_.seed, pass};
  const auto leaves = static_cast<uint32_t>(accumulation_.leaves());
  return {true, options_.seed, pass * leaves + static_cast<uint32_t>(leaf)};
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

std::vector<Trainer::Leaf> Trainer::leaves_of(const Shares& shares, Announcement& own) const {
  const int64_t all = options_.gradient_shards;
  const auto count = static_cast<int64_t>(shares.batches.size());
  check((shares.first >= 0) == (all > 0) && count > 0, ErrorCode::INVALID_BATCH,
        all > 0 ? "With gradientShards a batch is { shards, first }, with one shard a rank at least."
                : "Shards of a batch need the trainer's option gradientShards, their number on all ranks.");
  own.first = all > 0 ? shares.first : collective_->rank();
  const bool has_others = all > 1 || collective_->size() > 1;
  const Parameter& word = *model_.parameters.embeddings.word;
  std::vector<Leaf> leaves;
  for (const PackedBatch& batch : shares.batches) {
    const bool is_empty = has_others && batch.input_ids.empty() && batch.num_sequences() <= 0;
    leaves.push_back({is_empty ? &filler_ : &batch, {}});
    check_batch(*leaves.back().batch);
    if (is_empty) {
      own.shares.push_back({});
      continue;
    }
    std::vector<int32_t>& labelled = leaves.back().labelled;
    labelled = labelled_tokens(batch);
    own.shares.push_back({static_cast<int64_t>(labelled.size()), batch.num_tokens(), weight_of(batch, labelled)});
    own.longest = std::max(own.longest, longest_sequence(batch));
    if (!word.by_rows || !word.requires_grad || !(has_others || all > 0)) continue;
    std::vector<int32_t> rows = batch.input_ids;
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    unite(own.rows, rows);
  }
  return leaves;
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
