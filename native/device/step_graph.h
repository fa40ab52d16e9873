// Which steps are launched as recorded graphs: when they are recorded, how many, and what comes of a recording that fails.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>

#include "train/buckets.h"

namespace permafrost {

// A step that was recorded.
class RecordedStep {
 public:
  virtual ~RecordedStep() = default;
  virtual void launch() = 0;
  // Of the device's memory, beside what earlier ones have taken.
  virtual size_t bytes() const = 0;
  // Kernels, copies and fills that it launches; 0 where that is not known.
  virtual size_t launches() const { return 0; }
};

// Thrown where a step cannot be recorded; it can still be run.
struct RecordingFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What records: CUDA graphs on a card; tests have their own.
class GraphRecorder {
 public:
  virtual ~GraphRecorder() = default;
  // Records what `body` launches, without running it. Throws RecordingFailed, with memory and random numbers left as if
  // nothing had been tried, or what `body` throws.
  virtual std::unique_ptr<RecordedStep> record(const std::function<void()>& body) = 0;
  // All that was recorded is gone: its memory is given back.
  virtual void reset() = 0;
};

struct GraphBounds {
  size_t graphs = 64;
  size_t bytes = size_t{4} << 30;
};

// What a recorded step does, and for which shape.
struct StepKind {
  Bucket bucket;
  bool adds = false;  // to gradients that are there
  bool updates = true;

  bool operator<(const StepKind& other) const {
    return std::tie(bucket, adds, updates) < std::tie(other.bucket, other.adds, other.updates);
  }
};

// One recorded step for each kind. The first step of a kind runs as it is, which readies libraries; the second one is
// recorded. A recording that failed is tried again when as many steps of its kind have come once more. All share one pool
// of memory, which grows where a larger one comes later.
class StepGraphs {
 public:
  using Body = std::function<void()>;

  StepGraphs(const GraphBounds& bounds, std::shared_ptr<GraphRecorder> recorder);
  ~StepGraphs() { drop(); }

  // Does the work of `body` for this kind, either by calling it or by launching what was recorded.
  void run(const StepKind& kind, const Body& body);
  // Records a step that is to come, without running it. Returns false where it could not.
  bool record(const StepKind& kind, const Body& body);
  // Drops all; to be called where weights, gradients or the plan moved in memory.
  void drop();

  size_t size() const { return recorded_.size(); }
  size_t bytes() const { return bytes_; }
  // Of the step that was recorded last.
  size_t launches() const { return launches_; }
  const GraphBounds& bounds() const { return bounds_; }
  // Why the last recording failed; empty where it did not.
  const std::string& failure() const { return failure_; }

 private:
  // How often a kind came, and from which time on it is recorded.
  struct Sight {
    int64_t times = 0, record_at = 2;
  };
  bool has_room_for(const StepKind& kind) const;

  const GraphBounds bounds_;
  const std::shared_ptr<GraphRecorder> recorder_;
  std::map<StepKind, std::unique_ptr<RecordedStep>> recorded_;
  std::map<StepKind, Sight> sights_;
  size_t bytes_ = 0, launches_ = 0;
  std::string failure_;
};

}  // namespace permafrost
