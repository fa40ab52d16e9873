// Ranks that share every batch take the steps of one trainer that has it whole.
#include <omp.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/error.h"
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/seats.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::Seat;
using testing::small_config;
using testing::Table;
using testing::with_ranks;

constexpr int32_t kSentences = 6;

// A head, its loss, whether sentences have weights, and the rate of dropout.
struct Setting {
  std::string head = "token-classification";
  TokenLossOptions loss = {};
  bool weighted = false;
  double dropout = 0;
  bool relative = false;
};

// Sentences [first, first + count) of the kSentences of step `step`, which differ in length, words and number of labels. In
// one step only the first two have any, so that others have none.
PackedBatch sentences(int32_t step, int32_t first, int32_t count, bool weighted) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  int32_t row = 0;
  for (int32_t s = 0; s < first + count; ++s) {
    const int32_t length = 3 + (s * 5 + step) % 7;
    if (s >= first) {
      batch.rows.push_back(row);
      if (weighted) batch.weights.push_back(0.5f + static_cast<float>(s));
      for (int32_t t = 0; t < length; ++t) {
        const int32_t number = s * 17 + t * 7 + step * 13;
        batch.input_ids.push_back(1 + number % 49);
        batch.labels.push_back(number % (s + 2) == 0 || (step == 7 && s >= 2) ? kIgnoredLabel : number % 5);
      }
      batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
    }
    row += length;
  }
  return batch;
}

// Share `number` of `parts`; with more parts than sentences some have none.
PackedBatch share(int32_t step, int32_t number, int32_t parts, bool weighted) {
  const int32_t begin = number * kSentences / parts, end = (number + 1) * kSentences / parts;
  return sentences(step, begin, end - begin, weighted);
}

struct Trained {
  std::vector<double> losses, norms, sums;
  std::vector<at::Tensor> weights;
  std::vector<StepResult> results;
};

EncoderConfig config_of(const Setting& setting) {
  EncoderConfig config = small_config(setting.dropout);
  config.head = setting.head;
  if (setting.relative) {
    config.model_type = "deberta-v2";
    config.type_vocab_size = 0;
    config.relative = RelativeAttention{8, 32, true, true, true};
  }
  return config;
}

// Trains for 50 steps, in the midst of which plans change.
Trained train(const TrainerOptions& options, std::shared_ptr<Collective> collective, const Setting& setting) {
  Model model(config_of(setting), at::kCPU, Kernels::fused);
  initialise(model.parameters, model.config, 3, {});
  const auto rank = static_cast<int32_t>(collective->rank()), size = static_cast<int32_t>(collective->size());
  const auto shards = static_cast<int32_t>(options.gradient_shards);
  const auto shares_of = [&](int32_t step) -> Shares {
    if (shards == 0) return share(step, rank, size, setting.weighted);
    std::vector<PackedBatch> own;
    const int32_t first = rank * shards / size;
    for (int32_t i = first; i < (rank + 1) * shards / size; ++i) own.push_back(share(step, i, shards, setting.weighted));
    return {own, first};
  };
  Trainer trainer(model, options, std::move(collective));
  Trained trained;
  for (int32_t step = 0; step < 50; ++step) {
    if (step == 22) apply_plan(model.parameters, {true, {1, 0, 0}, {0, 0, kAttention}}, &trainer.optimizer());
    if (step == 36) {
      apply_plan(model.parameters, {false, {1, 0, 0}, {0, 0, 0}}, &trainer.optimizer());
      trainer.begin_stage({-1, 2});
    }
    const StepResult result = trainer.step(shares_of(step), {step == 34, nullptr, false, 1u << rank});
    trained.losses.push_back(result.loss);
    if (result.updated) trained.norms.push_back(result.grad_norm);
    trained.results.push_back(result);
  }
  trained.norms.push_back(trainer.gradient_norms(shares_of(50)).back());
  trained.sums = trainer.optimizer().take_gradient_l1();
  trainer.settle();
  for (const Parameter& parameter : model.parameters.stored()) trained.weights.push_back(parameter.value.clone());
  return trained;
}

std::vector<Trained> train_together(const TrainerOptions& options, int ranks, const Setting& setting) {
  std::vector<Trained> trained(ranks);
  with_ranks(ranks, [&](const std::shared_ptr<Seat>& seat) { trained[seat->rank()] = train(options, seat, setting); });
  return trained;
}

Trained train_alone(const TrainerOptions& options, const Setting& setting) {
  Trained trained;
  std::thread([&] {
    omp_set_num_threads(1);
    trained = train(options, std::make_shared<Alone>(), setting);
  }).join();
  return trained;
}

void expect_near(const std::vector<double>& whole, const std::vector<double>& shared, double tolerance,
                 const std::string& what) {
  expect(whole.size() == shared.size(), what, ": ", whole.size(), " against ", shared.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    expect(std::fabs(whole[i] - shared[i]) <= tolerance * std::fabs(whole[i]), what, " ", i, ": ", whole[i], " against ",
           shared[i]);
  }
}

void expect_alike(const Trained& whole, const Trained& shared, const std::string& what) {
  expect_near(whole.losses, shared.losses, 1e-6, what + "loss");
  expect_near(whole.norms, shared.norms, 5e-6, what + "norm");
  expect(whole.sums[0] == 0 && whole.sums[2] > 0, what, "sums of gradients of a frozen and of a learning layer");
  expect_near(whole.sums, shared.sums, 1e-4, what + "sum");
  for (size_t i = 0; i < whole.weights.size(); ++i) {
    const double largest = whole.weights[i].abs().max().item<double>();
    const double difference = (whole.weights[i] - shared.weights[i]).abs().max().item<double>();
    // A bias has moved from 0 by little more than rounding allows for, and those of keys have gradients of rounding alone,
    // which AdamW makes steps of.
    expect(difference < 1e-6 * largest + 5e-7, what, "weight ", i, " differs by ", difference, " of ", largest);
  }
}

void expect_same_bits(const Trained& one, const Trained& other, const std::string& what) {
  expect(one.losses == other.losses && one.norms == other.norms && one.sums == other.sums, what, "other numbers");
  for (size_t i = 0; i < one.weights.size(); ++i) {
    expect(at::equal(one.weights[i], other.weights[i]), what, "other bits of weight ", i);
  }
}

TrainerOptions options_of(int64_t accumulation) {
  TrainerOptions options;
  options.learning_rate = 1e-3;
  options.warmup_steps = 2;
  options.total_steps = 80;
  options.max_grad_norm = 0.5;
  // Gradients of nothing but rounding shall not decide an update.
  options.adamw.eps = 1e-4;
  options.gradient_accumulation = accumulation;
  options.layer_decay = 0.8;
  options.sums_gradients = true;
  return options;
}

const Setting kSettings[] = {{},
                             {"token-classification", {{0.2, 1, 3, 1, 2}, 0.1, 0}, true, 0.1},
                             {"crf", {}, true, 0.2},
                             {"token-classification", {}, false, 0.1, true}};

TEST("ranks with a share of every batch each train as one trainer with the whole") {
  for (const Setting& setting : kSettings) {
    for (const int64_t accumulation : {1, 3}) {
      if (accumulation > 1 && setting.head == "crf") continue;
      const TrainerOptions options = options_of(accumulation);
      const Trained whole = train_alone(options, setting);
      for (const int ranks : {2, 3, 4}) {
        const std::string what = setting.head + ", " + std::to_string(accumulation) + " batches an update, " +
                                 std::to_string(ranks) + " ranks: ";
        const std::vector<Trained> shared = train_together(options, ranks, setting);
        expect_alike(whole, shared[0], what);
        for (const Trained& one : shared) expect_same_bits(shared[0], one, what);
        for (size_t i = 0; i < whole.results.size(); ++i) {
          const StepResult &a = whole.results[i], &b = shared[1].results[i];
          expect(a.tokens == b.tokens && a.labelled == b.labelled && b.flags == (1u << ranks) - 1, what, "step ", i,
                 " has other facts");
        }
      }
    }
  }
}

TEST("ranks that are ahead of their device train as one trainer") {
  for (const int64_t accumulation : {1, 2}) {
    TrainerOptions options = options_of(accumulation);
    options.launch_ahead_on_cpu = true;
    const Setting setting{"token-classification", {}, true, 0.1};
    const Trained whole = train_alone(options, setting);
    for (const Trained& one : train_together(options, 2, setting)) expect_alike(whole, one, "ahead: ");
  }
}

TEST("with shards the bits do not depend on the number of ranks") {
  for (const Setting& setting : kSettings) {
    for (const int64_t accumulation : {1, 2}) {
      // Of seven shares of six sentences one is without any.
      for (const int64_t shards : {4, 7}) {
        if ((shards == 7) != (accumulation == 2)) continue;
        TrainerOptions options = options_of(accumulation);
        const Trained whole = train_alone(options, setting);
        options.gradient_shards = shards;
        const std::string what = setting.head + ", " + std::to_string(shards) + " shards, ";
        const Trained one = train_alone(options, setting);
        expect_alike(whole, one, what + "one rank: ");
        for (const int ranks : {2, 3, 4}) {
          for (const Trained& other : train_together(options, ranks, setting)) {
            expect_same_bits(one, other, what + std::to_string(ranks) + " ranks: ");
          }
        }
      }
    }
  }
}

TEST("a share without sequences counts as nothing, and a batch of none but such is refused on every rank") {
  const PackedBatch none{{}, {}, {0}};
  const TrainerOptions options = options_of(1);
  Model whole(small_config(0), at::kCPU, Kernels::fused);
  initialise(whole.parameters, whole.config, 3, {});
  Trainer trainer(whole, options);
  const StepResult expected = trainer.step(sentences(0, 0, 2, false));
  expect(testing::thrown_code([&] { trainer.step(none); }) == ErrorCode::INVALID_BATCH, "alone, an empty batch");
  with_ranks(3, [&](const std::shared_ptr<Seat>& seat) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    Trainer trainer(model, options, seat);
    const auto refused = testing::thrown_code([&] { trainer.step(none); });
    expect(refused == ErrorCode::INVALID_BATCH, "no rank has a label");
    const StepResult result = trainer.step(seat->rank() == 1 ? sentences(0, 0, 2, false) : none);
    expect(std::fabs(result.loss - expected.loss) < 1e-6 && result.tokens == expected.tokens, "rank ", seat->rank(), ": ",
           result.loss, " against ", expected.loss);
  });
}

TEST("a loss that is not finite on one rank stops the step of all, no weight moves, and all go on") {
  for (const int64_t shards : {0, 4}) {
    with_ranks(2, [&](const std::shared_ptr<Seat>& seat) {
      Model model(small_config(0), at::kCPU, Kernels::fused);
      initialise(model.parameters, model.config, 3, {});
      TrainerOptions options = options_of(1);
      options.warmup_steps = 0;
      options.gradient_shards = shards;
      Trainer trainer(model, options, seat);
      const int32_t rank = seat->rank();
      const auto shares = [&]() -> Shares {
        if (shards == 0) return share(0, rank, 2, false);
        return {{share(0, 2 * rank, 4, false), share(0, 2 * rank + 1, 4, false)}, 2 * rank};
      };
      at::Tensor& weight = model.parameters.layers[1].up.weight->value;
      const at::Tensor good = weight.clone();
      if (rank == 1) weight.fill_(std::nan(""));
      const at::Tensor before = model.parameters.layers[0].up.weight->value.clone();
      const auto code = testing::thrown_code([&] { trainer.step(shares()); });
      const bool moved = !at::equal(before, model.parameters.layers[0].up.weight->value);
      expect(code == ErrorCode::NON_FINITE && !moved, "rank ", rank, " went on");
      weight.copy_(good);
      trainer.step(shares());
      expect(!at::equal(before, model.parameters.layers[0].up.weight->value), "rank ", rank, " stands still");
    });
  }
}

TEST("a rank that fails halfway ends the training of all in order") {
  Table table(2);
  std::vector<std::string> messages(2);
  const auto body = [&](int rank) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    Trainer trainer(model, options_of(1), std::make_shared<Seat>(table, rank));
    trainer.step(share(0, rank, 2, false));
    // The pass of rank 1 ends at a gradient of another type, behind the gradients of two layers.
    const at::Tensor before = model.parameters.layers[2].up.weight->value.clone();
    if (rank == 1) model.parameters.layers[0].up.bias->grad = at::zeros({40}, at::kInt);
    bool failed = false;
    try {
      trainer.step(share(1, rank, 2, false));
    } catch (const std::exception&) {
      failed = true;
      table.leave(rank);
    }
    expect(failed && at::equal(before, model.parameters.layers[2].up.weight->value), "rank ", rank, " went on");
    try {
      trainer.step(share(2, rank, 2, false));
    } catch (const Error& error) {
      expect(error.code() == ErrorCode::RANK_FAILED, "the code of rank ", rank);
      messages[rank] = error.what();
    }
  };
  std::thread other([&] { body(1); });
  body(0);
  other.join();
  for (const std::string& message : messages) {
    expect(message.find("tep 2") != std::string::npos, "the step is not named: ", message);
  }
}

TEST("what is sent follows what learns, and only updates send gradients") {
  with_ranks(2, [&](const std::shared_ptr<Seat>& seat) {
    Model model(small_config(0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    Trainer trainer(model, options_of(2), seat);
    std::vector<int64_t> sent;
    const auto bytes_of_step = [&](int32_t step) {
      const int64_t before = seat->bytes_sent(), gathers = seat->gathers;
      trainer.step(share(step, seat->rank(), 2, false));
      expect(seat->gathers - gathers == 2, "more exchanges than needed");
      return seat->bytes_sent() - before;
    };
    const auto bytes_of = [](const std::deque<Parameter>& parameters, int64_t layer) {
      int64_t bytes = 0;
      for (const Parameter& parameter : parameters) {
        if (parameter.layer == layer && parameter.requires_grad && !parameter.by_rows) bytes += parameter.value.nbytes();
      }
      return bytes;
    };
    int32_t step = 0;
    for (const FreezePlan& plan : {FreezePlan{false, {0, 0, 0}, {0, 0, 0}}, FreezePlan{true, {1, 0, 0}, {0, 0, 0}},
                                   FreezePlan{true, {1, 1, 1}, {0, 0, 0}}}) {
      apply_plan(model.parameters, plan, &trainer.optimizer());
      expect(bytes_of_step(step) == 0, "a step that does not update sends gradients");
      int64_t expected = 0;
      for (int64_t layer = kEmbeddings; layer <= 3; ++layer) expected += bytes_of(model.parameters.stored(), layer);
      if (!plan.embeddings) {
        std::vector<int32_t> rows;
        for (const int32_t of : {step, step + 1}) {
          for (const int32_t id : sentences(of, 0, kSentences, false).input_ids) rows.push_back(id);
        }
        std::sort(rows.begin(), rows.end());
        expected += (std::unique(rows.begin(), rows.end()) - rows.begin()) * 24 * 4;
      }
      sent.push_back(bytes_of_step(step + 1));
      expect(sent.back() == expected, "sent ", sent.back(), " bytes, not ", expected);
      step += 2;
    }
    expect(sent[0] > sent[1] && sent[1] > sent[2], "a longer prefix is not cheaper");
  });
}

TEST("all ranks go on from the state that rank 0 alone has") {
  const Setting setting{"token-classification", {}, false, 0.1};
  const TrainerOptions options = options_of(1);
  with_ranks(2, [&](const std::shared_ptr<Seat>& seat) {
    const int32_t rank = seat->rank();
    Model model(config_of(setting), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3 + rank, {});
    {
      // A training of rank 0 by itself.
      Trainer alone(model, options);
      if (rank == 0) {
        for (int32_t step = 0; step < 5; ++step) alone.step(share(step, 0, 1, false));
      }
      Trainer trainer(model, options, seat);
      if (rank == 0) {
        trainer.seek(alone.position());
        for (const Parameter& parameter : model.parameters.stored()) {
          const Optimizer::State* from = alone.optimizer().state_of(parameter);
          Optimizer::State& to = trainer.optimizer().begin_state(parameter);
          to.step = from->step;
          to.exp_avg.copy_(from->exp_avg);
          to.exp_avg_sq.copy_(from->exp_avg_sq);
          to.gradient_sum = from->gradient_sum;
        }
      }
      trainer.broadcast(true);
      expect(trainer.position().updates == 5 && trainer.position().passes == 5, "rank ", rank, " stands elsewhere");
      const StepResult result = trainer.step(share(5, rank, 2, false));
      trainer.settle();
      if (rank == 0) return;
      // Rank 1 has nothing of its own left.
      Model other(config_of(setting), at::kCPU, Kernels::fused);
      initialise(other.parameters, other.config, 3, {});
      Trainer whole(other, options);
      for (int32_t step = 0; step < 5; ++step) whole.step(share(step, 0, 1, false));
      const StepResult expected = whole.step(share(5, 0, 1, false));
      whole.settle();
      expect(std::fabs(result.loss - expected.loss) < 1e-6 * expected.loss, "loss ", result.loss);
      for (size_t i = 0; i < model.parameters.stored().size(); ++i) {
        const at::Tensor &a = model.parameters.stored()[i].value, &b = other.parameters.stored()[i].value;
        expect((a - b).abs().max().item<double>() < 2e-6, "weight ", i, " differs");
      }
    }
  });
}

}  // namespace
}  // namespace permafrost
