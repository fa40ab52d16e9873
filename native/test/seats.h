// Ranks as threads of a test that sum at a table, each number where it can be looked at: no sockets, and a tree of sums that
// is written again, to hold the collective's against.
#pragma once

#include <omp.h>

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/error.h"
#include "distributed/collective.h"

namespace permafrost::testing {

// The sum over [begin, begin + count) of a tree of sums whose nodes some ranks laid down.
inline at::Tensor tree_sum(const std::vector<PartialSum>& partials, int64_t begin, int64_t count, size_t tensor) {
  for (const PartialSum& partial : partials) {
    if (partial.first == begin && partial.count == count) return partial.tensors[tensor];
  }
  if (count == 1) throw std::logic_error("a leaf is missing");
  int64_t left = 1;
  while (left * 2 < count) left *= 2;
  return tree_sum(partials, begin, left, tensor) + tree_sum(partials, begin + left, count - left, tensor);
}

// A table at which the threads of one process lay down what they sum, gather and spread.
class Table {
 public:
  explicit Table(int ranks) : ranks_(ranks), sums_(ranks), bytes_(ranks) {}

  int ranks() const { return ranks_; }
  void lay(int rank, const std::vector<PartialSum>& partials) { sums_[rank] = partials; }
  void lay(int rank, const Bytes& bytes) { bytes_[rank] = bytes; }
  std::vector<PartialSum> all_sums() const {
    std::vector<PartialSum> all;
    for (const auto& of_rank : sums_) all.insert(all.end(), of_rank.begin(), of_rank.end());
    return all;
  }
  std::vector<at::Tensor> tensors_of(int rank) const { return sums_[rank].front().tensors; }
  std::vector<Bytes> all_bytes() const { return bytes_; }

  void meet() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t round = round_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++round_;
      everyone_.notify_all();
    }
    everyone_.wait(lock, [&] { return round_ != round || left_ >= 0; });
    if (round_ == round) fail(ErrorCode::RANK_FAILED, "Rank ", left_, " left.");
  }
  // Others that wait for this rank, now or later, fail.
  void leave(int rank) {
    const std::lock_guard<std::mutex> lock(mutex_);
    left_ = rank;
    everyone_.notify_all();
  }

 private:
  const int ranks_;
  std::mutex mutex_;
  std::condition_variable everyone_;
  int arrived_ = 0;
  int left_ = -1;
  int64_t round_ = 0;
  std::vector<std::vector<PartialSum>> sums_;
  std::vector<Bytes> bytes_;
};

class Seat : public Collective {
 public:
  using Collective::sum;
  Seat(Table& table, int rank) : table_(table), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return table_.ranks(); }
  void sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& into) override {
    table_.lay(rank_, partials);
    table_.meet();
    std::vector<at::Tensor> sums;
    for (size_t i = 0; i < into.size(); ++i) {
      sums.push_back(tree_sum(table_.all_sums(), 0, leaves, i).clone());
      sent_ += static_cast<int64_t>(into[i].nbytes());
    }
    table_.meet();
    copy_all(into, sums);
  }
  std::vector<Bytes> gather(const Bytes& bytes) override {
    table_.lay(rank_, bytes);
    table_.meet();
    std::vector<Bytes> all = table_.all_bytes();
    table_.meet();
    ++gathers;
    return all;
  }
  void broadcast(const std::vector<at::Tensor>& tensors, int from) override {
    table_.lay(rank_, std::vector<PartialSum>{{rank_, 1, tensors}});
    table_.meet();
    if (rank_ != from) copy_all(tensors, table_.tensors_of(from));
    table_.meet();
  }
  int64_t bytes_sent() const override { return sent_; }

  int64_t gathers = 0;

 private:
  Table& table_;
  const int rank_;
  int64_t sent_ = 0;
};

// Calls body(seat) on a thread for each rank.
inline void with_ranks(int ranks, const std::function<void(std::shared_ptr<Seat>)>& body) {
  Table table(ranks);
  std::vector<std::exception_ptr> failures(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      // Ranks share the cores.
      omp_set_num_threads(1);
      try {
        body(std::make_shared<Seat>(table, rank));
      } catch (...) {
        failures[rank] = std::current_exception();
        table.leave(rank);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace permafrost::testing
