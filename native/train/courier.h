// A thread that carries exchanges between ranks while the engine's thread computes.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace permafrost {

struct Interruption;

class Courier {
 public:
  Courier() = default;
  // Finishes the task at hand, and no other.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Tasks run in their order; behind one that throws none does. The thread starts with the first.
  void post(std::function<void()> task);
  // Returns when all are done, or throws what the first one threw that failed.
  void wait();
  // Forgets those that have not begun, and waits for the one at hand; what they threw is forgotten, too.
  void drop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // the first one is at hand
  std::exception_ptr failure_;
  bool ending_ = false;
  const Interruption* interruption_ = nullptr;  // of the thread that posts
  std::thread thread_;
};

}  // namespace permafrost
