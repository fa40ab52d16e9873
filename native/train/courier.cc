#include "train/courier.h"

#include <omp.h>

#include <utility>

#include "core/interruption.h"

namespace permafrost {

Courier::~Courier() {
  drop();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Courier::post(std::function<void()> task) {
  if (!thread_.joinable()) {
    interruption_ = own_interruption();
    thread_ = std::thread([this] { work(); });
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_) return;
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void Courier::wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty(); });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Courier::drop() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (tasks_.size() > 1) tasks_.resize(1);
  changed_.wait(lock, [&] { return tasks_.empty(); });
  failure_ = nullptr;
}

void Courier::work() {
  interrupt_by(interruption_);
  // The cores belong to the computation.
  omp_set_num_threads(1);
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    lock.unlock();
    std::exception_ptr failure;
    try {
      tasks_.front()();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      tasks_.clear();
    } else {
      tasks_.pop_front();
    }
    changed_.notify_all();
  }
}

}  // namespace permafrost
