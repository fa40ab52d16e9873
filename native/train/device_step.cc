#include "train/device_step.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "core/memory_error.h"
#include "device/cuda_graph.h"
#include "device/nvidia_driver.h"

namespace permafrost {

namespace {

// Numbers of one step, behind what it has of its tokens and sequences; then come the rates.
enum Scalar : int64_t { kLossScale, kMeanScale, kPass, kScalars };

int32_t bits_of(float narrow) {
  int32_t bits;
  std::memcpy(&bits, &narrow, sizeof(bits));
  return bits;
}

int32_t bits_of(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  const float narrow = value > kLargest ? std::numeric_limits<float>::infinity() : static_cast<float>(value);
  return bits_of(narrow);
}

// A quarter of the card, of which steps that run as they are take as much.
size_t bytes_for_graphs(at::Device device) {
  const std::vector<NvidiaCard> cards = describe_nvidia_driver().cards;
  const auto card = static_cast<size_t>(device.index());
  const bool is_known = device.is_cuda() && card < cards.size() && cards[card].memory_bytes > 0;
  return is_known ? static_cast<size_t>(cards[card].memory_bytes) / 4 : GraphBounds{}.bytes;
}

std::string why_not_recorded(const Model& model, const TrainerOptions& options) {
  if (!options.graphs) return "they are switched off";
  if (options.recorder) return "";
  if (!model.device.is_cuda()) return "the model is not on a card";
  if (!model.ops->reads_nothing_back()) return std::string("attention is ") + model.ops->attention_name();
  return why_no_cuda_graphs();
}

}  // namespace

// The tensors of one bucket, which stay where they are: a recorded step reads them again.
struct DeviceStep::Inputs {
  Inputs(const Bucket& bucket, size_t num_rates, const Model& model)
      : bucket(bucket),
        masks_by_row(model.ops->masks_by_row()),
        all(at::zeros({numbers_begin() + kScalars + static_cast<int64_t>(num_rates)},
                      at::TensorOptions().dtype(at::kInt).device(model.device))),
        numbers(at::zeros({2}, at::TensorOptions().dtype(at::kFloat).device(model.device))) {
    if (bucket.stored_prefix) {
      prefix_TH = at::zeros({bucket.tokens, model.config.hidden_size},
                            at::TensorOptions().dtype(model.type).device(model.device));
    }
  }

  // In the order in which they are uploaded: ids, positions, labels, rows of dropout masks, weights, rows of the prefix, one
  // a token each; labelled tokens, and their rows of masks; borders; numbers.
  int64_t weight_row() const { return 3 + masks_by_row; }
  int64_t prefix_row() const { return weight_row() + bucket.weighted; }
  int64_t labelled_begin() const { return (prefix_row() + bucket.stored_prefix) * bucket.tokens; }
  int64_t borders_begin() const { return labelled_begin() + (1 + masks_by_row) * bucket.labelled; }
  int64_t numbers_begin() const { return borders_begin() + bucket.sequences + 1; }

  at::Tensor tokens(int64_t row) const { return all.narrow(0, row * bucket.tokens, bucket.tokens); }
  at::Tensor weights() const { return bucket.weighted ? tokens(weight_row()).view(at::kFloat) : at::Tensor(); }
  at::Tensor prefix_rows() const { return tokens(prefix_row()); }
  at::Tensor mask_rows() const { return masks_by_row ? tokens(3) : at::Tensor(); }
  at::Tensor labelled() const { return all.narrow(0, labelled_begin(), bucket.labelled); }
  at::Tensor labelled_mask_rows() const {
    return masks_by_row ? all.narrow(0, labelled_begin() + bucket.labelled, bucket.labelled) : at::Tensor();
  }
  at::Tensor borders() const { return all.narrow(0, borders_begin(), bucket.sequences + 1); }
  at::Tensor numbers_given() const { return all.slice(0, numbers_begin()).view(at::kFloat); }
  at::Tensor scalar(Scalar which) const { return numbers_given().select(0, which); }
  at::Tensor rates() const { return numbers_given().slice(0, kScalars); }
  const uint32_t* pass() const { return static_cast<const uint32_t*>(scalar(kPass).data_ptr()); }

  const Bucket bucket;
  const bool masks_by_row;
  at::Tensor all;
  std::vector<int32_t> cu_seqlens;  // those of the present batch, for operations that read them on the host
  at::Tensor numbers;    // loss and norm
  at::Tensor prefix_TH;  // the frozen prefix's output, where it comes from a store
};

// What a step computes with, beside what lies on the device. Whoever records it may keep it.
struct DeviceStep::Work {
  Work(const StepKind& kind, Inputs& inputs, const PackedBatch& filled, const LaunchedStep& step, int64_t base)
      : kind(kind), inputs(inputs), dropout(step.dropout), rates(step.rates),
        tensors(inputs.tokens(0), inputs.tokens(1), inputs.tokens(2), inputs.weights(), inputs.borders(),
                &inputs.cu_seqlens, kind.bucket.longest, base) {
    tensors.mask_rows_T = inputs.mask_rows();
    if (kind.bucket.labelled > 0) {
      tensors.labelled = labelled_tokens(filled);
      tensors.labelled.resize(static_cast<size_t>(kind.bucket.labelled), static_cast<int32_t>(kind.bucket.tokens - 1));
      tensors.labelled_M = inputs.labelled();
      tensors.labelled_mask_rows_M = inputs.labelled_mask_rows();
    }
    if (inputs.masks_by_row) tensors.number_mask_rows(filled);
  }

  const StepKind kind;
  Inputs& inputs;
  const DropoutPass dropout;
  const std::vector<double> rates;
  BatchTensors tensors;
  at::Tensor fits;  // defined where it was in doubt whether the update fits
};

DeviceStep::DeviceStep(Model& model, Optimizer& optimizer, Accumulation& accumulation, DeviceGenerator& generator,
                       const TokenLoss& loss, const TrainerOptions& options, const std::string& why_no_graphs)
    : model_(model), optimizer_(optimizer), accumulation_(accumulation), generator_(generator), loss_(loss),
      frozen_dropout_(options.frozen_dropout), batches_(options.gradient_accumulation),
      staging_(model.device, static_cast<size_t>(options.read_back_every) + 1),
      why_no_graphs_(why_no_graphs.empty() ? why_not_recorded(model, options) : why_no_graphs) {
  if (!why_no_graphs_.empty()) return;
  GraphBounds bounds;
  bounds.bytes = bytes_for_graphs(model.device);
  graphs_ = std::make_unique<StepGraphs>(bounds, options.recorder ? options.recorder : record_cuda_graphs(model.device));
}

DeviceStep::~DeviceStep() = default;

void DeviceStep::expect(std::vector<BatchShape> shapes) {
  expected_ = std::move(shapes);
  is_recording_due_ = true;
}

Readback DeviceStep::launch(const LaunchedStep& step) {
  model_.round_weights();
  follow_layout();
  const PackedBatch& batch = step.batch;
  const int64_t depth = step.store != nullptr && !frozen_dropout_ ? frozen_prefix(model_.parameters) : 0;
  PrefixStore::DeviceRows prefix;
  at::Tensor prefix_TH;
  if (depth > 0) {
    const WeightDigest& digest = model_.prefix_digests()[static_cast<size_t>(depth)];
    prefix = step.store->find_on_device(depth, digest, batch, model_.device);
    if (prefix.rows.empty()) {
      prefix_TH = model_.prefix_of(batch, {batch, position_base(model_.config), model_.device}, *step.store);
    }
  }
  Bucket bucket = bucket_of(shape_of(batch, model_.head->labelled_only(true)), model_.config.max_positions);
  bucket.stored_prefix = depth > 0;
  record_expected(bucket, step);

  const StepKind kind{bucket, step.share.adds, step.share.updates};
  const PackedBatch filled = fill(batch, bucket, filler());
  const std::shared_ptr<Work> work = work_of(kind, filled, step);
  upload(*work, filled, prefix, step.share);
  // Rows of filler tokens keep what an earlier batch left: finite numbers that no other token sees.
  if (prefix_TH.defined()) work->inputs.prefix_TH.narrow(0, 0, batch.num_tokens()).copy_(prefix_TH);
  run(kind, work, step);
  const at::Tensor& numbers = work->inputs.numbers;
  return Readback(work->fits.defined() ? at::cat({numbers, work->fits.view({1})}) : numbers);
}

std::shared_ptr<DeviceStep::Work> DeviceStep::work_of(const StepKind& kind, const PackedBatch& filled,
                                                      const LaunchedStep& step) {
  Inputs& inputs = inputs_of(kind.bucket, step.rates.size());
  return std::make_shared<Work>(kind, inputs, filled, step, position_base(model_.config));
}

void DeviceStep::upload(const Work& work, const PackedBatch& filled, const PrefixStore::DeviceRows& prefix,
                        const BatchShare& share) {
  Inputs& inputs = work.inputs;
  const Bucket& bucket = inputs.bucket;
  std::vector<int32_t> values = filled.input_ids;
  values.reserve(static_cast<size_t>(inputs.all.numel()));
  const auto append = [&](const std::vector<int32_t>& more) { values.insert(values.end(), more.begin(), more.end()); };
  append(positions(filled, position_base(model_.config)));
  append(filled.labels);
  if (inputs.masks_by_row) {
    append(work.tensors.token_mask_rows);
    if (work.tensors.token_mask_rows.empty()) {
      values.resize(values.size() + filled.input_ids.size());
      std::iota(values.end() - static_cast<std::ptrdiff_t>(filled.input_ids.size()), values.end(), 0);
    }
  }
  for (const float weight : token_weights(filled)) values.push_back(bits_of(weight));
  if (bucket.stored_prefix) {
    append(prefix.rows);
    values.resize(static_cast<size_t>(inputs.labelled_begin()), 0);
  }
  if (bucket.labelled > 0) append(work.tensors.labelled);
  if (bucket.labelled > 0 && inputs.masks_by_row) {
    const std::vector<int32_t>& rows = work.tensors.labelled_mask_rows;
    append(rows.empty() ? work.tensors.labelled : rows);
  }
  append(repeat_last_border(filled.cu_seqlens, bucket.sequences));
  for (const double scalar : {share.loss_scale, share.mean_scale}) values.push_back(bits_of(scalar));
  values.push_back(static_cast<int32_t>(work.dropout.pass));
  for (const double rate : work.rates) values.push_back(bits_of(rate));
  staging_.upload(values, inputs.all);
  inputs.cu_seqlens = filled.cu_seqlens;
  if (prefix.rows.empty()) return;
  if (prefix.table.scalar_type() == inputs.prefix_TH.scalar_type()) {
    at::index_select_out(inputs.prefix_TH, prefix.table, 0, inputs.prefix_rows());
  } else {
    inputs.prefix_TH.copy_(prefix.table.index_select(0, inputs.prefix_rows()));
  }
}

void DeviceStep::follow_layout() {
  if (layout_ == optimizer_.layout()) return;
  if (graphs_) graphs_->drop();
  // There may be another number of rates.
  inputs_.clear();
  layout_ = optimizer_.layout();
  is_recording_due_ = true;
}

void DeviceStep::recover() {
  if (graphs_) graphs_->drop();
  inputs_.clear();
  model_.ops->begin_pass();
  release_device_memory(model_.device);
}

DeviceStep::Inputs& DeviceStep::inputs_of(const Bucket& bucket, size_t num_rates) {
  std::unique_ptr<Inputs>& inputs = inputs_[bucket];
  if (!inputs) inputs = std::make_unique<Inputs>(bucket, num_rates, model_);
  return *inputs;
}

void DeviceStep::record_expected(const Bucket& first, const LaunchedStep& step) {
  // What waits for its update is not to be touched.
  if (!graphs_ || !is_recording_due_ || expected_.empty() || step.share.adds || optimizer_.may_overflow(step.rates)) return;
  is_recording_due_ = false;
  std::vector<StepKind> kinds{{{}, false, batches_ == 1}};
  if (batches_ > 2) kinds.push_back({{}, true, false});
  if (batches_ > 1) kinds.push_back({{}, true, true});
  std::vector<Bucket> buckets =
      buckets_to_come(expected_, model_.config.max_positions, graphs_->bounds().graphs / kinds.size());
  for (Bucket& bucket : buckets) bucket.stored_prefix = first.stored_prefix;
  if (buckets.empty()) return;
  try {
    ready(buckets.front(), step);
    for (const Bucket& bucket : buckets) {
      const PackedBatch filled = filler_batch(bucket, filler());
      for (StepKind kind : kinds) {
        kind.bucket = bucket;
        const std::shared_ptr<Work> work = work_of(kind, filled, step);
        const auto turn = generator_.take_turn(step.dropout.seed, step.dropout.pass);
        // One that fails is tried again when it comes.
        if (!graphs_->record(kind, [this, work] { compute(*work); })) return;
      }
    }
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    // Steps that are smaller than the largest may have room.
    recover();
  }
}

// Libraries set themselves up at their first calls, which cannot be recorded. So the largest step is run once, over
// filler and with a scale that is not a number, as that of a step whose gradient is not finite: it changes neither
// weights nor moments nor counts.
void DeviceStep::ready(const Bucket& largest, const LaunchedStep& step) {
  for (Parameter& parameter : model_.parameters.stored()) {
    if (parameter.requires_grad && !parameter.grad.defined()) parameter.grad = at::zeros_like(parameter.value);
  }
  optimizer_.lay_out_on_device();
  if (is_ready_) return;
  const PackedBatch filled = filler_batch(largest, filler());
  const std::shared_ptr<Work> work = work_of({largest, false, true}, filled, step);
  BatchShare share;
  share.mean_scale = std::numeric_limits<double>::quiet_NaN();
  upload(*work, filled, {}, share);
  const auto turn = generator_.take_turn(step.dropout.seed, step.dropout.pass);
  compute(*work);
  is_ready_ = true;
}

void DeviceStep::run(const StepKind& kind, const std::shared_ptr<Work>& work, const LaunchedStep& step) {
  // Masks are a function of seed and pass alone, whether the step is recorded or not.
  const auto turn = generator_.take_turn(step.dropout.seed, step.dropout.pass);
  const auto body = [this, work] { compute(*work); };
  // Nothing is recorded whose update is computed beside the weights first.
  if (!graphs_ || optimizer_.may_overflow(step.rates)) return body();
  graphs_->run(kind, body);
}

void DeviceStep::compute(Work& work) {
  Inputs& inputs = work.inputs;
  const bool labelled_only = work.kind.bucket.labelled > 0;
  PassContext context{model_.config, *model_.ops, model_.buffers, work.tensors, work.dropout, work.kind.adds};
  context.dropout.device_pass = inputs.pass();
  context.loss = &loss_;
  const at::Tensor prefix_TH = inputs.prefix_TH.defined() ? inputs.prefix_TH.clone() : at::Tensor();
  const StepNumber loss_scale{0, inputs.scalar(kLossScale)};
  const at::Tensor loss_sum =
      run_pass(model_, {}, {context, {frozen_dropout_, labelled_only, prefix_TH}, loss_scale}).tensor;
  accumulation_.sum_on_device(loss_sum);
  inputs.numbers.select(0, 0).copy_(loss_sum);
  if (!work.kind.updates) return;
  const UpdateRates rates{work.rates, inputs.rates()};
  const auto [norm, fits] = optimizer_.update_on_device(rates, inputs.scalar(kMeanScale), loss_sum);
  inputs.numbers.select(0, 1).copy_(norm);
  work.fits = fits;
}

}  // namespace permafrost
