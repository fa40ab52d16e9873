#include "engine/engine.h"

#include <sched.h>

#include <algorithm>

#include "core/blas.h"
#include "core/error.h"
#include "device/cuda_graph.h"
#include "device/generator.h"
#include "engine/engines.h"

namespace permafrost {

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

Model& unsettled_model_of(EngineState& state) {
  check(state.model != nullptr, ErrorCode::INTERNAL, "The engine has no model yet.");
  return *state.model;
}

Model& model_of(EngineState& state) {
  if (state.trainer) state.trainer->settle();
  return unsettled_model_of(state);
}

Trainer& trainer_of(EngineState& state, uint32_t id) {
  check(state.trainer != nullptr && state.trainer_id == id, ErrorCode::DISPOSED,
        "This trainer was replaced by a later one of the same model; use that one.");
  return *state.trainer;
}

void drop_model(EngineState& state) {
  if (state.trainer) state.trainer->optimizer().abandon();
  state.trainer.reset();
  if (!state.model) return;
  const at::Device device = state.model->device;
  state.model.reset();
  if (device.is_cpu()) return;
  // Libtorch keeps what was freed for later; other engines, none of which may be recording, and processes need it now.
  const std::lock_guard<std::mutex> lock(generator_mutex(device));
  release_device_memory(device);
}

std::shared_ptr<Engine> Engine::start(int num_threads) {
  std::shared_ptr<Engine> engine(new Engine(num_threads > 0 ? num_threads : available_cores()));
  keep_until_joined(engine, [&] { engine->thread_ = std::thread([raw = engine.get()] { raw->work(); }); });
  return engine;
}

Engine::Engine(int num_threads) : num_threads_(num_threads) {}

Engine::~Engine() = default;

uint64_t Engine::submit(std::function<void(EngineState&)> run, std::function<void()> refuse, bool overlaps) {
  const std::lock_guard<std::mutex> lock(mutex_);
  check(!stopping_, ErrorCode::DISPOSED, "The model has been disposed; load it again to use it.");
  queue_.push_back({++last_id_, std::move(run), std::move(refuse), overlaps});
  wake_.notify_one();
  return last_id_;
}

uint64_t Engine::last_job() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_id_;
}

bool Engine::cancel(uint64_t id) {
  Job job;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(queue_.begin(), queue_.end(), [id](const Job& other) { return other.id == id; });
    if (found == queue_.end()) {
      if (running_id_ == id) cancelled_ = true;
      return false;
    }
    job = std::move(*found);
    queue_.erase(found);
  }
  job.refuse();
  return true;
}

void Engine::stop_if_cancelled() const {
  check(!cancelled_, ErrorCode::DISPOSED, "The call was cancelled.");
}

bool Engine::stop(std::function<void(EngineState&)> last) {
  std::deque<Job> refused;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    stopping_ = interruption_.waits = true;
    refused.swap(queue_);
    if (last) queue_.push_back({++last_id_, std::move(last), [] {}});
    wake_.notify_one();
  }
  for (const Job& job : refused) job.refuse();
  return true;
}

void Engine::abandon() {
  cancelled_ = interruption_.work = true;
  stop();
}

void Engine::join() {
  std::call_once(joined_, [this] {
    // A thread that ends the process itself cannot be waited for.
    if (thread_.get_id() == std::this_thread::get_id()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  });
}

void Engine::work() {
  // Both are settings of this thread alone: OpenMP keeps one pool for each thread that starts loops, and
  // inference mode spares every operation libtorch's own bookkeeping for gradients.
  set_compute_threads(num_threads_);
  const c10::InferenceMode inference;
  interrupt_by(&interruption_);
  end_engines_at_exit();
  while (true) {
    Job job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      running_id_ = 0;
      if (queue_.empty() && !state_.launched.empty()) {
        // Nothing else to do: wait for the oldest step, then look again.
        lock.unlock();
        settle_launched(state_.launched.size() - 1);
        continue;
      }
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) break;
      job = std::move(queue_.front());
      queue_.pop_front();
      running_id_ = job.id;
      cancelled_ = interruption_.work.load();
    }
    if (!job.overlaps) settle_launched(0);
    job.run(state_);
    end_engines_at_exit();
    const size_t allowed = state_.trainer ? static_cast<size_t>(state_.trainer->read_back_every()) : 1;
    settle_launched(allowed - 1);
  }
  drop_model(state_);
  ended_ = true;
}

void Engine::settle_launched(size_t left) {
  while (state_.launched.size() > left) {
    const std::function<void()> settle = std::move(state_.launched.front());
    state_.launched.pop_front();
    settle();
  }
}

}  // namespace permafrost
