// When steps are recorded, by a recorder that only notes what it is asked for.
#include "device/step_graph.h"

#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;

struct NotedStep : RecordedStep {
  NotedStep(std::vector<std::string>& log, std::string name) : log(log), name(std::move(name)) {}
  void launch() override { log.push_back("launch " + name); }
  size_t bytes() const override { return 10; }
  std::vector<std::string>& log;
  std::string name;
};

struct NotingRecorder : GraphRecorder {
  std::unique_ptr<RecordedStep> record(const std::function<void()>& body) override {
    is_recording = true;
    body();
    is_recording = false;
    if (failures > 0) {
      --failures;
      throw RecordingFailed("no room");
    }
    return std::make_unique<NotedStep>(log, current);
  }
  void reset() override { log.push_back("reset"); }

  std::vector<std::string> log;
  std::string current;
  bool is_recording = false;
  int failures = 0;
};

struct Graphs {
  explicit Graphs(const GraphBounds& bounds = {}) : graphs(bounds, recorder) {}

  std::string noted() const {
    std::string all;
    for (const std::string& entry : recorder->log) all += (all.empty() ? "" : ", ") + entry;
    return all;
  }
  StepGraphs::Body body_of(const std::string& name) {
    recorder->log.clear();
    recorder->current = name;
    return [this, name] { recorder->log.push_back((recorder->is_recording ? "record " : "run ") + name); };
  }
  std::string run(int64_t tokens) {
    graphs.run({{tokens, 8, 64}}, body_of(std::to_string(tokens)));
    return noted();
  }
  std::string run(int64_t tokens, bool adds, bool updates) {
    graphs.run({{tokens, 8, 64}, adds, updates}, body_of(std::string(adds ? "+" : "") + (updates ? "u" : "")));
    return noted();
  }

  std::shared_ptr<NotingRecorder> recorder = std::make_shared<NotingRecorder>();
  StepGraphs graphs;
};

void expect_same(const std::string& got, const std::string& expected) {
  expect(got == expected, "expected '", expected, "', got '", got, "'");
}

TEST("a kind of step is run, then recorded, then launched, and again after the plan changed") {
  Graphs graphs;
  for (int round = 0; round < 2; ++round) {
    expect_same(graphs.run(64), "run 64");
    expect_same(graphs.run(64), "record 64, launch 64");
    expect_same(graphs.run(64), "launch 64");
    graphs.recorder->log.clear();
    graphs.graphs.drop();
    expect_same(graphs.noted(), "reset");
  }
}

TEST("a step that is recorded ahead is launched the first time it comes") {
  Graphs graphs;
  expect(graphs.graphs.record({{64, 8, 64}}, graphs.body_of("64")), "it can be recorded");
  expect_same(graphs.noted(), "record 64");
  expect(graphs.graphs.record({{64, 8, 64}}, graphs.body_of("64")), "it is recorded");
  expect_same(graphs.noted(), "");
  expect_same(graphs.run(64), "launch 64");
}

TEST("a larger bucket that comes later leaves the recorded ones as they are") {
  Graphs graphs;
  graphs.run(64), graphs.run(64), graphs.run(128);
  expect_same(graphs.run(128), "record 128, launch 128");
  expect_same(graphs.run(64), "launch 64");
}

TEST("steps that begin, go on with and end an accumulation are recorded each by itself") {
  Graphs graphs;
  for (int round = 0; round < 2; ++round) {
    for (const auto& [adds, updates] : {std::pair{false, false}, {true, false}, {true, true}}) graphs.run(64, adds, updates);
  }
  expect(graphs.graphs.size() == 3, graphs.graphs.size(), " are recorded");
  expect_same(graphs.run(64, true, false), "launch +");
  expect_same(graphs.run(64, true, true), "launch +u");
}

TEST("recording stops at its bound of number, and at that of memory but for what fits into it") {
  Graphs few({2, 1000}), small({10, 20});
  for (Graphs* graphs : {&few, &small}) {
    for (const int64_t tokens : {64, 96}) graphs->run(tokens), graphs->run(tokens);
    graphs->run(128);
    expect_same(graphs->run(128), "run 128");
    expect_same(graphs->run(64), "launch 64");
    expect(graphs->graphs.size() == 2, "two fit");
  }
  few.run(32), small.run(32);
  expect_same(few.run(32), "run 32");
  expect_same(small.run(32), "record 32, launch 32");
}

TEST("a recording that failed is tried again ever more seldom, and until then the step runs as it is") {
  Graphs graphs;
  graphs.recorder->failures = 2;
  std::vector<std::string> entries;
  for (int step = 0; step < 9; ++step) {
    entries.push_back(graphs.run(64));
    expect(graphs.graphs.failure() == (step >= 1 && step < 7 ? "no room" : ""), "step ", step, ": ",
           graphs.graphs.failure());
  }
  const std::vector<std::string> expected{"run 64",
                                          "record 64, run 64",
                                          "run 64",
                                          "record 64, run 64",
                                          "run 64",
                                          "run 64",
                                          "run 64",
                                          "record 64, launch 64",
                                          "launch 64"};
  for (size_t i = 0; i < expected.size(); ++i) expect_same(entries[i], expected[i]);
  graphs.recorder->failures = 1;
  expect(!graphs.graphs.record({{32, 8, 64}}, graphs.body_of("32")), "it fails ahead, too");
  expect_same(graphs.run(32), "run 32");
  expect_same(graphs.run(32), "record 32, launch 32");
}

}  // namespace
}  // namespace permafrost
