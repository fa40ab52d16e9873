#include "device/step_graph.h"

#include <algorithm>
#include <utility>

namespace permafrost {

StepGraphs::StepGraphs(const GraphBounds& bounds, std::shared_ptr<GraphRecorder> recorder)
    : bounds_(bounds), recorder_(std::move(recorder)) {}

void StepGraphs::run(const StepKind& kind, const Body& body) {
  auto found = recorded_.find(kind);
  if (found == recorded_.end()) {
    Sight& sight = sights_[kind];
    const bool is_due = ++sight.times >= sight.record_at;
    if (!is_due || !record(kind, body)) return body();
    found = recorded_.find(kind);
  }
  found->second->launch();
}

bool StepGraphs::record(const StepKind& kind, const Body& body) {
  if (recorded_.count(kind) != 0) return true;
  if (!has_room_for(kind)) return false;
  std::unique_ptr<RecordedStep> step;
  try {
    step = recorder_->record(body);
  } catch (const RecordingFailed& failure) {
    Sight& sight = sights_[kind];
    sight.record_at = std::max(sight.record_at, 2 * sight.times);
    failure_ = failure.what();
    return false;
  }
  bytes_ += step->bytes();
  launches_ = step->launches();
  recorded_.emplace(kind, std::move(step));
  failure_.clear();
  return true;
}

void StepGraphs::drop() {
  sights_.clear();
  if (recorded_.empty()) return;
  recorded_.clear();
  bytes_ = 0;
  recorder_->reset();
}

// One that is no larger than another fits into the memory that is there.
bool StepGraphs::has_room_for(const StepKind& kind) const {
  if (recorded_.size() >= bounds_.graphs) return false;
  return bytes_ < bounds_.bytes || std::any_of(recorded_.begin(), recorded_.end(), [&](const auto& entry) {
    return entry.first.bucket.tokens >= kind.bucket.tokens;
  });
}

}  // namespace permafrost
