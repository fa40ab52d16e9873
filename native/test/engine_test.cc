// The engine's queue and its end, from many threads at once and with the process.
#include "engine/engine.h"

#include <chrono>
#include <cstdlib>
#include <future>

#include "core/interruption.h"
#include "model/initialise.h"
#include "test/small_bert.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_code;

constexpr int kThreads = 4;

const auto kNothing = [] {};

// Runs body(thread) on several threads at once.
template <typename Body>
void at_once(const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

void make_model(EngineState& state) {
  EncoderConfig config = testing::small_bert(0.1);
  config.embedding_size = config.hidden_size = 64;
  config.intermediate_size = 256;
  config.num_layers = 6;
  config.max_positions = 128;
  state.model = std::make_unique<Model>(config, at::kCPU, Kernels::fused, at::kFloat);
  initialise(state.model->parameters, config, 1, {}, nullptr);
  state.trainer = std::make_unique<Trainer>(*state.model, TrainerOptions{});
}

PackedBatch batch_of(int sequences) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (int s = 0; s < sequences; ++s) {
    for (int t = 0; t < 128; ++t) {
      batch.input_ids.push_back(1 + (s * 31 + t * 7) % 59);
      batch.labels.push_back(t % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

TEST("an engine runs every job or refuses it, whatever threads submit, cancel and stop meanwhile") {
  for (int round = 0; round < 20; ++round) {
    const auto engine = Engine::start(1);
    std::atomic<int> submitted{0}, ran{0}, refused{0};
    at_once([&](int thread) {
      for (int i = 0; i < 50; ++i) {
        try {
          const uint64_t id = engine->submit([&](EngineState&) { ++ran; }, [&] { ++refused; });
          ++submitted;
          if (i % 3 == 0) engine->cancel(id);
          if (i % 5 == 0) engine->cancel(engine->last_job());
        } catch (const Error& error) {
          expect(error.code() == ErrorCode::DISPOSED, error.what());
        }
        if (thread == 0 && i == 10 + round) engine->stop();
      }
    });
    engine->join();
    expect(ran + refused == submitted, ran.load(), " jobs ran and ", refused.load(), " were refused of ", submitted.load());
    expect(thrown_code([&] { engine->submit([](EngineState&) {}, kNothing); }) == ErrorCode::DISPOSED, "a job was taken");
  }
}

TEST("an engine runs the jobs of a thread in their order") {
  const auto engine = Engine::start(1);
  std::vector<std::vector<int>> order(kThreads);
  at_once([&](int thread) {
    for (int i = 0; i < 100; ++i) engine->submit([&order, thread, i](EngineState&) { order[thread].push_back(i); }, kNothing);
  });
  std::promise<void> done;
  engine->stop([&](EngineState&) { done.set_value(); });
  // What still waited was refused; what ran did so in order.
  done.get_future().wait();
  engine->join();
  for (const std::vector<int>& own : order) expect(std::is_sorted(own.begin(), own.end()), "jobs changed places");
}

TEST("the end of an engine is waited for by several threads") {
  const auto engine = Engine::start(1);
  engine->submit([](EngineState&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }, kNothing);
  at_once([&](int) {
    engine->stop();
    engine->join();
    expect(engine->has_ended(), "join came back before the end");
  });
}

TEST("an abandoned engine gives up a job that would never end") {
  const auto engine = Engine::start(1);
  std::promise<void> begun;
  std::promise<ErrorCode> ended;
  engine->submit(
      [&](EngineState&) {
        begun.set_value();
        ended.set_value(thrown_code([] {
          while (true) interruption_point();
        }));
      },
      kNothing);
  begun.get_future().wait();
  engine->abandon();
  expect(ended.get_future().get() == ErrorCode::DISPOSED, "another code");
  engine->join();
}

TEST("an abandoned engine gives up a training step between its matrix products") {
  const auto engine = Engine::start(1);
  std::promise<void> begun;
  std::promise<bool> interrupted;
  engine->submit(
      [&](EngineState& state) {
        make_model(state);
        const PackedBatch batch = batch_of(16);
        state.trainer->launch(batch, {true, nullptr, false})();
        begun.set_value();
        try {
          while (true) state.trainer->launch(batch, {true, nullptr, false})();
        } catch (const Error& error) {
          interrupted.set_value(error.code() == ErrorCode::DISPOSED);
        }
      },
      kNothing);
  begun.get_future().wait();
  engine->abandon();
  engine->join();
  expect(interrupted.get_future().get(), "the step ended in another way");
}

TEST("a finished step is not interrupted by the cancelling of its job") {
  const auto engine = Engine::start(1);
  std::promise<void> begun, cancelled;
  std::promise<double> loss;
  const uint64_t id = engine->submit(
      [&](EngineState& state) {
        make_model(state);
        begun.set_value();
        cancelled.get_future().wait();
        loss.set_value(state.trainer->launch(batch_of(1), {true, nullptr, false})().loss);
      },
      kNothing);
  begun.get_future().wait();
  engine->cancel(id);
  cancelled.set_value();
  expect(loss.get_future().get() > 0, "no loss");
  engine->stop();
  engine->join();
}

TEST("an engine that ended is let go when the next one starts") {
  std::weak_ptr<Engine> first;
  {
    const auto engine = Engine::start(1);
    first = engine;
    engine->stop();
    while (!engine->has_ended()) std::this_thread::yield();
  }
  const auto second = Engine::start(1);
  expect(first.expired(), "it is still kept");
  second->stop();
  second->join();
}

// Starts engines that train without an end, and returns when all have taken a step.
std::vector<std::shared_ptr<Engine>> train_for_ever() {
  std::vector<std::shared_ptr<Engine>> engines;
  for (int i = 0; i < 3; ++i) {
    engines.push_back(Engine::start(1));
    auto begun = std::make_shared<std::promise<void>>();
    engines.back()->submit(
        [begun](EngineState& state) {
          make_model(state);
          const PackedBatch batch = batch_of(16);
          for (bool is_first = true;; is_first = false) {
            try {
              state.trainer->launch(batch, {true, nullptr, false})();
            } catch (const Error&) {
              return;
            }
            if (is_first) begun->set_value();
          }
        },
        kNothing);
    begun->get_future().wait();
  }
  return engines;
}

PROGRAM("exit while engines train") {
  train_for_ever();
  std::exit(7);
}

PROGRAM("exit on another thread while engines train") {
  train_for_ever();
  std::thread([] { std::exit(7); }).join();
}

PROGRAM("exit while engines start") {
  std::thread([] {
    try {
      while (true) Engine::start(1)->stop();
    } catch (const Error&) {
    }
  }).detach();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::exit(7);
}

TEST("a process that exits ends its engines first, within a second") {
  for (const char* program :
       {"exit while engines train", "exit on another thread while engines train", "exit while engines start"}) {
    for (int round = 0; round < 3; ++round) {
      const int status = testing::run_program(program);
      expect(status == 7, program, ": status ", status);
    }
  }
}

}  // namespace
}  // namespace permafrost
