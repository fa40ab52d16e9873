#include "train/device_step.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "device/cuda_graph.h"
#include "device/device.h"

namespace permafrost {

namespace {

// Numbers of one step, behind its ids, positions, labels, rows of masks, weights and borders; then come the rates.
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

// Thrown where a step cannot be recorded; it can still be run.
struct RecordingFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class RecordedCudaStep : public RecordedStep {
 public:
  RecordedCudaStep(const GraphPool& pool, const StepGraphs::Body& body) : graph_(pool, body) {}
  void launch() override { graph_.launch(); }
  size_t bytes() const override { return graph_.bytes(); }

 private:
  CudaGraph graph_;
};

}  // namespace

// The tensors of one bucket, which stay where they are: a recorded step reads them again.
struct DeviceStep::Inputs {
  Inputs(const Bucket& bucket, size_t num_rates, const Model& model)
      : bucket(bucket),
        masks_by_row(model.ops->masks_by_row()),
        all(at::zeros({borders_begin() + bucket.sequences + 1 + kScalars + static_cast<int64_t>(num_rates)},
                      at::TensorOptions().dtype(at::kInt).device(model.device))),
        numbers(at::zeros({2}, at::TensorOptions().dtype(at::kFloat).device(model.device))) {
    if (bucket.stored_prefix) {
      prefix_TH = at::zeros({bucket.tokens, model.config.hidden_size},
                            at::TensorOptions().dtype(model.type).device(model.device));
    }
  }

  at::Tensor tokens(int64_t row) const { return all.narrow(0, row * bucket.tokens, bucket.tokens); }
  // Of the rows of dropout masks, by which kernels on the device draw them.
  at::Tensor mask_rows() const { return masks_by_row ? tokens(3) : at::Tensor(); }
  at::Tensor weights() const { return bucket.weighted ? tokens(3 + masks_by_row).view(at::kFloat) : at::Tensor(); }
  int64_t borders_begin() const { return (3 + masks_by_row + bucket.weighted) * bucket.tokens; }
  at::Tensor borders() const { return all.narrow(0, borders_begin(), bucket.sequences + 1); }
  at::Tensor numbers_given() const { return all.slice(0, borders_begin() + bucket.sequences + 1).view(at::kFloat); }
  at::Tensor scalar(Scalar which) const { return numbers_given().select(0, which); }
  at::Tensor rates() const { return numbers_given().slice(0, kScalars); }
  const uint32_t* pass() const { return static_cast<const uint32_t*>(scalar(kPass).data_ptr()); }

  const Bucket bucket;
  const bool masks_by_row;
  at::Tensor all;
  at::Tensor numbers;    // loss and norm
  at::Tensor prefix_TH;  // the frozen prefix's output, where it comes from a store
};

DeviceStep::DeviceStep(Model& model, Optimizer& optimizer, Accumulation& accumulation, const TokenLoss& loss,
                       const TrainerOptions& options, const std::string& why_no_graphs)
    : model_(model), optimizer_(optimizer), accumulation_(accumulation), loss_(loss), frozen_dropout_(options.frozen_dropout),
      staging_(model.device), why_no_graphs_(why_no_graphs) {
  if (!options.graphs) {
    why_no_graphs_ = "they are switched off";
  } else if (!model.device.is_cuda()) {
    why_no_graphs_ = "the model is not on a card";
  } else if (!model.ops->reads_nothing_back()) {
    why_no_graphs_ = std::string("attention is ") + model.ops->attention_name();
  } else if (why_no_graphs_.empty()) {
    why_no_graphs_ = CudaGraph::why_unavailable();
  }
  if (!why_no_graphs_.empty()) return;
  const auto pool = std::make_shared<GraphPool>(CudaGraph::make_pool());
  graphs_ = std::make_unique<StepGraphs>(
      GraphBounds{},
      [pool, device = model.device](const StepGraphs::Body& body) -> std::unique_ptr<RecordedStep> {
        // What steps that ran as they are have left behind would stay beside the graphs' own memory.
        release_device_memory(device);
        try {
          return std::make_unique<RecordedCudaStep>(*pool, body);
        } catch (const c10::Error& error) {
          throw RecordingFailed(error.what_without_backtrace());
        }
      },
      [pool] { *pool = CudaGraph::make_pool(); });
}

DeviceStep::~DeviceStep() = default;

Readback DeviceStep::launch(const LaunchedStep& step) {
  model_.round_weights();
  follow_layout();
  Bucket bucket = bucket_of(step.batch, model_.config.max_positions);
  const bool uses_store = step.store != nullptr && !frozen_dropout_;
  const int64_t base = position_base(model_.config);
  at::Tensor prefix_TH;
  if (uses_store) prefix_TH = model_.prefix_of(step.batch, {step.batch, base, model_.device}, *step.store);
  bucket.stored_prefix = prefix_TH.defined();
  const auto filler = static_cast<int32_t>(std::max<int64_t>(0, model_.config.pad_token_id));
  const PackedBatch filled = fill(step.batch, bucket, filler);
  Inputs& inputs = inputs_of(bucket, step.rates.size());

  std::vector<int32_t> values = filled.input_ids;
  const std::vector<int32_t> places = positions(filled, base);
  const std::vector<int32_t> borders = repeat_last_border(filled.cu_seqlens, bucket.sequences);
  values.insert(values.end(), places.begin(), places.end());
  values.insert(values.end(), filled.labels.begin(), filled.labels.end());
  if (inputs.masks_by_row) {
    std::vector<int32_t> rows = mask_rows(filled);
    if (rows.empty()) {
      rows.resize(filled.input_ids.size());
      std::iota(rows.begin(), rows.end(), 0);
    }
    values.insert(values.end(), rows.begin(), rows.end());
  }
  for (const float weight : token_weights(filled)) values.push_back(bits_of(weight));
  values.insert(values.end(), borders.begin(), borders.end());
  for (const double scalar : {step.share.loss_scale, step.share.mean_scale}) values.push_back(bits_of(scalar));
  values.push_back(static_cast<int32_t>(step.dropout.pass));
  for (const double rate : step.rates) values.push_back(bits_of(rate));
  staging_.upload(values, inputs.all);
  // Rows of filler tokens keep what an earlier batch left: finite numbers that no other token sees.
  if (prefix_TH.defined()) inputs.prefix_TH.narrow(0, 0, step.batch.num_tokens()).copy_(prefix_TH);

  BatchTensors tensors(inputs.tokens(0), inputs.tokens(1), inputs.tokens(2), inputs.weights(), inputs.borders(),
                       &filled.cu_seqlens, bucket.longest, base);
  tensors.mask_rows_T = inputs.mask_rows();
  if (inputs.masks_by_row) tensors.number_mask_rows(filled);
  at::Tensor fits;
  run(bucket, step, [&] { fits = compute(inputs, tensors, step); });
  return Readback(fits.defined() ? at::cat({inputs.numbers, fits.view({1})}) : inputs.numbers);
}

void DeviceStep::follow_layout() {
  if (layout_ == optimizer_.layout()) return;
  if (graphs_) graphs_->drop();
  // There may be another number of rates.
  inputs_.clear();
  layout_ = optimizer_.layout();
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

void DeviceStep::run(const Bucket& bucket, const LaunchedStep& step, const std::function<void()>& body) {
  // Masks are a function of seed and pass alone, whether the step is recorded or not. The generator is libtorch's
  // own, which other engines on the card draw from as well.
  const GeneratorLock generator(model_.device, step.dropout.seed, step.dropout.pass);
  // Steps that only accumulate are not recorded: they come in more shapes than are worth a graph. Nor are those whose
  // update is computed beside the weights first.
  if (!graphs_ || step.share.adds || !step.share.updates || optimizer_.may_overflow(step.rates)) {
    body();
    return;
  }
  try {
    graphs_->run(bucket, body);
  } catch (const RecordingFailed& failure) {
    // Nothing of the step has run yet.
    why_no_graphs_ = std::string("recording failed: ") + failure.what();
    graphs_.reset();
    body();
  }
}

at::Tensor DeviceStep::compute(Inputs& inputs, const BatchTensors& tensors, const LaunchedStep& step) {
  PassContext context{model_.config, *model_.ops, model_.buffers, tensors, step.dropout, step.share.adds};
  context.dropout.device_pass = inputs.pass();
  context.loss = &loss_;
  const at::Tensor prefix_TH = inputs.prefix_TH.defined() ? inputs.prefix_TH.clone() : at::Tensor();
  const StepNumber loss_scale{0, inputs.scalar(kLossScale)};
  const at::Tensor loss_sum =
      run_pass(model_, {}, {context, {frozen_dropout_, false, prefix_TH}, loss_scale}).tensor;
  accumulation_.sum_on_device(loss_sum);
  inputs.numbers.select(0, 0).copy_(loss_sum);
  if (!step.share.updates) return {};
  const UpdateRates rates{step.rates, inputs.rates()};
  const auto [norm, fits] = optimizer_.update_on_device(rates, inputs.scalar(kMeanScale), loss_sum);
  inputs.numbers.select(0, 1).copy_(norm);
  return fits;
}

}  // namespace permafrost
