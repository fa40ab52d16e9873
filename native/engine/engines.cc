#include "engine/engines.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <vector>

#include "core/blas.h"
#include "core/error.h"
#include "engine/engine.h"

namespace permafrost {

namespace {

struct Engines {
  std::mutex mutex;
  std::vector<std::shared_ptr<Engine>> running;
  bool process_ends = false;
  bool has_pools = false;
  std::atomic<uint64_t> times_asked{0};
};

// Never destroyed: it is needed for as long as there is a process.
Engines& engines() {
  static Engines* const all = new Engines;
  return *all;
}

// They stay known until they are joined: a thread that is at its end still runs the destructors of its own objects.
void join_ended() {
  std::vector<std::shared_ptr<Engine>> ended;
  auto& running = engines().running;
  {
    const std::lock_guard<std::mutex> lock(engines().mutex);
    std::copy_if(running.begin(), running.end(), std::back_inserter(ended), [](const auto& other) { return other->has_ended(); });
  }
  for (const auto& other : ended) other->join();
  const std::lock_guard<std::mutex> lock(engines().mutex);
  const auto is_joined = [&](const auto& other) { return std::find(ended.begin(), ended.end(), other) != ended.end(); };
  running.erase(std::remove_if(running.begin(), running.end(), is_joined), running.end());
}

// From the beginning, behind the making of libtorch's own objects: an exit() under way before there is any engine lets
// none be started.
[[maybe_unused]] const int at_load = std::atexit(end_engines);

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
  if (!engines().has_pools) {
    make_compute_threads();
    engines().has_pools = true;
    end_engines_at_exit();
  }
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
