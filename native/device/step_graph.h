// Which steps are launched as recorded graphs: the bounds and the order of recording.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "train/buckets.h"

namespace permafrost {

// A step that was recorded.
class RecordedStep {
 public:
  virtual ~RecordedStep() = default;
  virtual void launch() = 0;
  virtual size_t bytes() const = 0;
};

struct GraphBounds {
  size_t graphs = 32;
  size_t bytes = size_t{4} << 30;
};

// One recorded step for each bucket. The first step of a bucket runs as it is, which readies libraries and
// allocates gradients; the second one is recorded. A bucket larger than all recorded ones drops them, so that the
// largest is the first in the memory pool and the others fit into what it took.
class StepGraphs {
 public:
  using Body = std::function<void()>;
  using Record = std::function<std::unique_ptr<RecordedStep>(const Body&)>;

  // `record` records a body; `reset` is called after all recorded steps were dropped, and gives the pool back.
  StepGraphs(const GraphBounds& bounds, Record record, std::function<void()> reset = [] {});

  // Does the work of `body` for this bucket, either by calling it or by launching what an earlier call recorded.
  void run(const Bucket& bucket, const Body& body);
  // Drops all; to be called where weights, gradients or the plan moved in memory.
  void drop();

  size_t size() const { return recorded_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  bool is_larger_than_all(const Bucket& bucket) const;

  const GraphBounds bounds_;
  const Record record_;
  const std::function<void()> reset_;
  std::map<Bucket, std::unique_ptr<RecordedStep>> recorded_;
  std::map<Bucket, int64_t> seen_;
  size_t bytes_ = 0;
};

}  // namespace permafrost
