// One model on one device, driven by one thread through one queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/interruption.h"
#include "model/model.h"
#include "train/trainer.h"

namespace permafrost {

// What a job sees of its engine. Only the engine's thread touches it.
struct EngineState {
  std::unique_ptr<Model> model;
  std::unique_ptr<Trainer> trainer;
  // Number of the trainer that steps may use; an older one has been replaced.
  uint32_t trainer_id = 0;
  // What settles the steps that a device still works on, oldest first; each waits for its step.
  std::deque<std::function<void()>> launched;
};

// The model, all its weights up to date. Throws INTERNAL where there is none yet.
Model& model_of(EngineState& state);
// The same for those who do not look at the weights, of which single rows may wait for their updates.
Model& unsettled_model_of(EngineState& state);
// Throws DISPOSED where a later trainer replaced the one of this number.
Trainer& trainer_of(EngineState& state, uint32_t id);
// Frees trainer and model, at whose weights nobody will look again.
void drop_model(EngineState& state);

// A piece of work. `run` is called on the engine's thread, or `refuse` on any thread where the engine
// stops first; exactly one of the two.
struct Job {
  uint64_t id = 0;
  std::function<void(EngineState&)> run;
  std::function<void()> refuse;
  // Whether it may run while launched steps are waited for; other jobs come after those are settled.
  bool overlaps = false;
};

class Engine {
 public:
  // `num_threads`: cores that a computation uses; 0 for all of them. Its thread is joined by `join`, a later engine's
  // start or the process's exit, whichever comes first.
  static std::shared_ptr<Engine> start(int num_threads);
  ~Engine();

  // Puts a job at the end of the queue and returns its number.
  uint64_t submit(std::function<void(EngineState&)> run, std::function<void()> refuse, bool overlaps = false);
  // Number of the job submitted last.
  uint64_t last_job();
  // Takes a waiting job out of the queue, calling its `refuse`, and returns true; tells a running one to
  // stop where it can.
  bool cancel(uint64_t id);
  // Throws where the running job was cancelled; jobs call it between batches.
  void stop_if_cancelled() const;

  // Refuses what waits and ends the thread after the running job and, where one is given, a last one. Where the running
  // job waits for other ranks for a second it is given up. Does not wait. Only the first call does anything, and returns
  // true.
  bool stop(std::function<void(EngineState&)> last = {});
  // The same for an engine whose results nobody will see: its running job is given up halfway.
  void abandon();
  // Whether the thread has nothing more to do.
  bool has_ended() const { return ended_; }
  // Waits until the thread is gone. From any thread, any number of times.
  void join();

 private:
  explicit Engine(int num_threads);
  void work();
  // Settles launched steps until at most `left` are left.
  void settle_launched(size_t left);

  const int num_threads_;
  EngineState state_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  uint64_t last_id_ = 0;
  uint64_t running_id_ = 0;
  bool stopping_ = false;
  std::atomic<bool> cancelled_{false};
  Interruption interruption_;
  std::atomic<bool> ended_{false};
  std::once_flag joined_;
  std::thread thread_;
};

// Cores that this process may use.
int available_cores();

}  // namespace permafrost
