// Ranks that share every batch take the steps of one trainer that has it whole.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::small_config;

constexpr int kRanks = 2;

// A table at which threads lay down what they add up.
class Meeting {
 public:
  // Returns once all ranks have laid down theirs.
  void lay(int rank, const std::vector<at::Tensor>& tensors) {
    laid_[rank] = tensors;
    meet();
  }
  at::Tensor sum_of(size_t i) const {
    at::Tensor sum = laid_[0][i].clone();
    for (int rank = 1; rank < kRanks; ++rank) sum.add_(laid_[rank][i]);
    return sum;
  }
  void meet() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t round = round_;
    if (++arrived_ == kRanks) {
      arrived_ = 0;
      ++round_;
      everyone_.notify_all();
    }
    everyone_.wait(lock, [&] { return round_ != round; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable everyone_;
  int arrived_ = 0;
  int64_t round_ = 0;
  std::vector<at::Tensor> laid_[kRanks];
};

class Seat : public Collective {
 public:
  using Collective::sum;
  Seat(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return kRanks; }
  void sum(const std::vector<PartialSum>& partials, int64_t, const std::vector<at::Tensor>& into) override {
    meeting_.lay(rank_, partials.front().tensors);
    std::vector<at::Tensor> sums;
    for (size_t i = 0; i < into.size(); ++i) sums.push_back(meeting_.sum_of(i));
    meeting_.meet();
    copy_all(into, sums);
  }
  std::vector<Bytes> gather(const Bytes&) override { throw std::logic_error("not needed"); }
  void broadcast(const std::vector<at::Tensor>&, int) override { throw std::logic_error("not needed"); }
  int64_t bytes_sent() const override { return 0; }

 private:
  Meeting& meeting_;
  const int rank_;
};

// Sentences [first, first + count) of step `step`, which differ in length, words and number of labels. In one step only
// the first two have any, so that a rank has none.
PackedBatch sentences(int32_t step, int32_t first, int32_t count) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (int32_t s = first; s < first + count; ++s) {
    for (int32_t t = 0; t < 3 + (s * 5 + step) % 7; ++t) {
      const int32_t number = s * 17 + t * 7 + step * 13;
      batch.input_ids.push_back(1 + number % 49);
      batch.labels.push_back(number % (s + 2) == 0 || (step == 7 && s >= 2) ? kIgnoredLabel : number % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

// A head, its loss, and whether sentences have weights.
struct Setting {
  std::string head;
  TokenLossOptions loss;
  bool weighted;
};

struct Trained {
  std::vector<double> losses, norms, sums;
  std::vector<at::Tensor> weights;
};

// Trains on `count` sentences a step from `first` on; half way some weights are frozen.
Trained train(const TrainerOptions& options, std::shared_ptr<Collective> collective, int32_t first, int32_t count,
              const Setting& setting) {
  EncoderConfig config = small_config(0);
  config.head = setting.head;
  Model model(config, at::kCPU, Kernels::fused);
  initialise(model.parameters, model.config, 3, {});
  Trainer trainer(model, options, std::move(collective));
  Trained trained;
  for (int32_t step = 0; step < 20; ++step) {
    if (step == 12) apply_plan(model.parameters, {true, {1, 0, 0}, {0, 0, kAttention}}, &trainer.optimizer());
    if (step == 16) {
      apply_plan(model.parameters, {false, {1, 0, 0}, {0, 0, 0}}, &trainer.optimizer());
      trainer.begin_stage({-1, 2});
    }
    PackedBatch batch = sentences(step, first, count);
    for (int32_t s = first; setting.weighted && s < first + count; ++s) batch.weights.push_back(0.5f + s);
    const StepResult result = trainer.step(batch);
    trained.losses.push_back(result.loss);
    if (result.updated) trained.norms.push_back(result.grad_norm);
  }
  trained.norms.push_back(trainer.gradient_norms(sentences(20, first, count)).back());
  trained.sums = trainer.optimizer().take_gradient_l1();
  trainer.settle();
  for (const Parameter& parameter : model.parameters.stored()) trained.weights.push_back(parameter.value.clone());
  return trained;
}

void expect_alike(const Trained& whole, const Trained& shared, const std::string& what) {
  for (size_t i = 0; i < whole.losses.size(); ++i) {
    expect(std::fabs(whole.losses[i] - shared.losses[i]) < 1e-6, what, "loss ", i, ": ", whole.losses[i], " against ",
           shared.losses[i]);
  }
  expect(whole.norms.size() == shared.norms.size(), what, "updates differ");
  for (size_t i = 0; i < whole.norms.size(); ++i) {
    expect(std::fabs(whole.norms[i] - shared.norms[i]) < 1e-5 * whole.norms[i], what, "norm ", i, ": ",
           whole.norms[i], " against ", shared.norms[i]);
  }
  expect(whole.sums[0] == 0 && whole.sums[2] > 0, what, "sums of gradients of a frozen and of a learning layer");
  for (size_t i = 0; i < whole.sums.size(); ++i) {
    expect(std::fabs(whole.sums[i] - shared.sums[i]) <= 1e-4 * whole.sums[i], what, "sum ", i, ": ", whole.sums[i],
           " against ", shared.sums[i]);
  }
  for (size_t i = 0; i < whole.weights.size(); ++i) {
    const double largest = whole.weights[i].abs().max().item<double>();
    const double difference = (whole.weights[i] - shared.weights[i]).abs().max().item<double>();
    // A bias has moved from 0 by little more than rounding allows for.
    expect(difference < 1e-5 * largest + 2e-7, what, "weight ", i, " differs by ", difference, " of ", largest);
  }
}

TEST("two ranks with half of every batch each train as one trainer with the whole") {
  const Setting settings[] = {{"token-classification", {}, false},
                              {"token-classification", {{0.2, 1, 3, 1, 2}, 0.1, 0}, true},
                              {"crf", {}, true}};
  for (const Setting& setting : settings) {
    for (const bool ahead : {false, true}) {
      for (const int64_t accumulation : {1, 2}) {
        TrainerOptions options;
        options.learning_rate = 1e-3;
        options.warmup_steps = 2;
        options.total_steps = 40;
        options.max_grad_norm = 0.5;
        // Gradients of nothing but rounding shall not decide an update.
        options.adamw.eps = 1e-4;
        options.gradient_accumulation = accumulation;
        options.layer_decay = 0.8;
        options.sums_gradients = true;
        options.launch_ahead_on_cpu = ahead;
        options.loss = setting.loss;
        const Trained whole = train(options, std::make_shared<Alone>(), 0, 4, setting);
        Meeting meeting;
        Trained shared[kRanks];
        std::thread other([&] { shared[1] = train(options, std::make_shared<Seat>(meeting, 1), 2, 2, setting); });
        shared[0] = train(options, std::make_shared<Seat>(meeting, 0), 0, 2, setting);
        other.join();
        const std::string what = setting.head + (ahead ? ", ahead, " : ", at once, ") + std::to_string(accumulation) +
                                 " batches an update: ";
        for (const Trained& one : shared) expect_alike(whole, one, what);
        for (size_t i = 0; i < shared[0].weights.size(); ++i) {
          expect(at::equal(shared[0].weights[i], shared[1].weights[i]), what, "ranks have different bits of weight ", i);
        }
      }
    }
  }
}

TEST("a loss that is not finite on one rank stops the step of all, and no weight moves") {
  Meeting meeting;
  ErrorCode codes[kRanks];
  bool moved[kRanks];
  const auto body = [&](int rank) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    TrainerOptions options;
    options.learning_rate = 1e-2;
    options.schedule = Schedule::constant;
    Trainer trainer(model, options, std::make_shared<Seat>(meeting, rank));
    at::Tensor& weight = model.parameters.layers[1].up.weight->value;
    if (rank == 1) weight.fill_(std::nan(""));
    const at::Tensor before = model.parameters.layers[0].up.weight->value.clone();
    codes[rank] = testing::thrown_code([&] { trainer.step(sentences(0, rank, 1)); });
    moved[rank] = !at::equal(before, model.parameters.layers[0].up.weight->value);
  };
  std::thread other([&] { body(1); });
  body(0);
  other.join();
  for (int rank = 0; rank < kRanks; ++rank) {
    expect(codes[rank] == ErrorCode::NON_FINITE && !moved[rank], "rank ", rank, " went on");
  }
}

}  // namespace
}  // namespace permafrost
