#include "engine/engines.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "core/error.h"
#include "engine/engine.h"

namespace permafrost {

namespace {

struct Engines {
  std::mutex mutex;
  std::vector<std::shared_ptr<Engine>> running;
  bool process_ends = false;
  std::atomic<uint64_t> times_asked{0};
};

// Never destroyed: it is needed for as long as there is a process.
Engines& engines() {
  static Engines* const all = new Engines;
  return *all;
}

void join_ended() {
  std::vector<std::shared_ptr<Engine>> ended;
  {
    const std::lock_guard<std::mutex> lock(engines().mutex);
    auto& running = engines().running;
    const auto first = std::partition(running.begin(), running.end(), [](const auto& other) { return !other->has_ended(); });
    ended.assign(std::make_move_iterator(first), std::make_move_iterator(running.end()));
    running.erase(first, running.end());
  }
  for (const auto& other : ended) other->join();
}

}  // namespace

void end_engines() {
  std::vector<std::shared_ptr<Engine>> running;
  {
    const std::lock_guard<std::mutex> lock(engines().mutex);
    engines().process_ends = true;
    running.swap(engines().running);
  }
  for (const auto& engine : running) engine->abandon();
  for (const auto& engine : running) engine->join();
}

void keep_until_joined(const std::shared_ptr<Engine>& engine, const std::function<void()>& start_thread) {
  join_ended();
  // Started under the lock: whoever ends the engines knows of every thread, or none comes after.
  const std::lock_guard<std::mutex> lock(engines().mutex);
  check(!engines().process_ends, ErrorCode::DISPOSED, "The process is ending; no model can be made any more.");
  engines().running.push_back(engine);
  try {
    start_thread();
  } catch (...) {
    engines().running.pop_back();
    throw;
  }
}

void end_engines_at_exit() {
  const uint64_t time = ++engines().times_asked;
  if ((time & (time - 1)) == 0) std::atexit(end_engines);
}

}  // namespace permafrost
