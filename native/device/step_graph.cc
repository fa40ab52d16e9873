#include "device/step_graph.h"

#include <utility>

namespace permafrost {

StepGraphs::StepGraphs(const GraphBounds& bounds, Record record, std::function<void()> reset)
    : bounds_(bounds), record_(std::move(record)), reset_(std::move(reset)) {}

void StepGraphs::run(const Bucket& bucket, const Body& body) {
  const auto found = recorded_.find(bucket);
  if (found != recorded_.end()) {
    found->second->launch();
    return;
  }
  if (seen_[bucket]++ == 0) {
    body();
    return;
  }
  if (!recorded_.empty() && is_larger_than_all(bucket)) {
    // Buckets that were recorded are ready to be recorded again.
    recorded_.clear();
    bytes_ = 0;
    reset_();
  }
  if (recorded_.size() >= bounds_.graphs || bytes_ >= bounds_.bytes) {
    body();
    return;
  }
  std::unique_ptr<RecordedStep> step = record_(body);
  bytes_ += step->bytes();
  step->launch();
  recorded_[bucket] = std::move(step);
}

void StepGraphs::drop() {
  recorded_.clear();
  seen_.clear();
  bytes_ = 0;
  reset_();
}

bool StepGraphs::is_larger_than_all(const Bucket& bucket) const {
  for (const auto& [other, step] : recorded_) {
    if (other.tokens >= bucket.tokens) return false;
  }
  return true;
}

}  // namespace permafrost
