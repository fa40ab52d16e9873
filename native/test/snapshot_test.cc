// A snapshot puts back all weights, whatever learned, thawed or was overwritten since, wherever its copies lie.
#include "model/snapshot.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "core/available_memory.h"
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"
#include "weights/dump.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::small_batch;
using testing::small_config;
using testing::thrown_code;

const FreezePlan kHeadAlone{true, {1, 1, 1}, {0, 0, 0}};
const FreezePlan kThawed{false, {0, 0, 0}, {0, 0, 0}};

struct Subject {
  Subject() : model(small_config(0.1), at::kCPU, Kernels::fused), trainer(model, options()) {
    initialise(model.parameters, model.config, 3, {});
  }

  static TrainerOptions options() {
    TrainerOptions options;
    options.learning_rate = 1e-2;
    options.schedule = Schedule::constant;
    return options;
  }

  void freeze(const FreezePlan& plan) {
    apply_plan(model.parameters, plan, &trainer.optimizer(), model.snapshot());
    model.weights_changed();
  }

  std::vector<at::Tensor> weights() {
    trainer.settle();
    std::vector<at::Tensor> copies;
    for (const Parameter& parameter : model.parameters.stored()) copies.push_back(parameter.value.clone());
    return copies;
  }

  // Number of weights that are others than those.
  size_t moved(const std::vector<at::Tensor>& before) {
    const std::vector<at::Tensor> now = weights();
    size_t count = 0;
    for (size_t i = 0; i < now.size(); ++i) count += !at::equal(now[i], before[i]);
    return count;
  }

  void train() {
    for (int step = 0; step < 3; ++step) trainer.step(small_batch());
    trainer.settle();
  }

  Model model;
  Trainer trainer;
};

size_t bytes_of(const Model& model) {
  size_t bytes = 0;
  for (const Parameter& parameter : model.parameters.stored()) bytes += parameter.value.nbytes();
  return bytes;
}

TEST("a snapshot puts back what was thawed, overwritten and drawn anew after it, from memory and from a file") {
  for (const double share_in_memory : {1.0, 0.3, 0.0}) {
    Subject subject;
    Model& model = subject.model;
    subject.train();
    subject.freeze(kHeadAlone);
    const std::vector<at::Tensor> before = subject.weights();
    SnapshotBudget budget;
    budget.memory = static_cast<size_t>(share_in_memory * static_cast<double>(bytes_of(model)));
    model.take_snapshot(budget);
    subject.freeze({true, {1, 1, 0}, {0, 0, 0}});
    subject.train();
    subject.freeze(kThawed);
    subject.train();
    const Parameter& overwritten = *model.parameters.embeddings.position;
    subject.freeze(kHeadAlone);
    model.snapshot()->keep(overwritten);
    at::Tensor(overwritten.value).zero_();
    initialise(model.parameters, model.config, 8, {}, model.snapshot());
    expect(subject.moved(before) == before.size(), "only ", subject.moved(before), " weights moved");
    const size_t in_file = model.snapshot()->file_bytes();
    expect(share_in_memory == 1 ? in_file == 0 : in_file > 0 && (share_in_memory > 0 || in_file == bytes_of(model)),
           in_file, " bytes in the file");
    model.restore_snapshot();
    expect(subject.moved(before) == 0, "share ", share_in_memory, ": ", subject.moved(before), " were not put back");
    expect(thrown_code([&] { model.restore_snapshot(); }) == ErrorCode::INVALID_OPTION, "it is forgotten");
  }
}

TEST("a snapshot copies once, before the first change, and only what changes") {
  Subject subject;
  subject.freeze(kHeadAlone);
  SnapshotBudget file;
  file.memory = 0;
  subject.model.take_snapshot(file);
  const size_t head = subject.model.snapshot()->file_bytes();
  expect(head < bytes_of(subject.model) / 4, "frozen weights were copied");
  subject.train();
  subject.freeze(kHeadAlone);
  expect(subject.model.snapshot()->file_bytes() == head, "the head was copied again");
}

// Lets files grow to so many bytes only while it lives.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    handler = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  rlimit before;
  void (*handler)(int);
};

TEST("a snapshot without room says so and leaves weights, plan and earlier copies as they are") {
  Subject subject;
  subject.freeze(kHeadAlone);
  const std::vector<at::Tensor> before = subject.weights();
  SnapshotBudget budget;
  budget.directory = "/nowhere";
  expect(thrown_code([&] { subject.model.take_snapshot(budget); }) == ErrorCode::WRITE_FAILED, "no such directory");

  budget.directory = temporary_directory();
  subject.model.take_snapshot(budget);
  {
    const FileLimit limit(8192);
    expect(thrown_code([&] { subject.freeze(kThawed); }) == ErrorCode::WRITE_FAILED, "the file cannot grow");
  }
  subject.train();
  const size_t head_weights = 2;
  expect(subject.moved(before) == head_weights, "the plan changed: ", subject.moved(before), " weights moved");
  subject.freeze(kThawed);
  subject.train();
  subject.model.restore_snapshot();
  expect(subject.moved(before) == 0, subject.moved(before), " weights were not put back");
}

TEST("the memory that is left is some, and less than a machine has") {
  const size_t available = available_memory();
  expect(available > 0 && available < static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE), available,
         " bytes");
}

TEST("a full disk is named, with what to do") {
  const int full = open("/dev/full", O_WRONLY);
  try {
    dump_elements(full, at::ones({4}), at::kFloat);
    expect(false, "nothing was thrown");
  } catch (const Error& error) {
    const std::string message = error.what();
    expect(error.code() == ErrorCode::WRITE_FAILED && message.find("/dev/full") != std::string::npos &&
               message.find("free some space") != std::string::npos,
           message);
  }
  close(full);
}

TEST("elements are dumped in their order, also in parts, as views of rows and in half precision") {
  const at::Tensor values = at::randn({3, (1 << 21) + 5}).slice(0, 1, 3);
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    const UnnamedFile file(temporary_directory(), "a test");
    write_all(file.descriptor(), "before", 6);
    dump_elements(file.descriptor(), values, type);
    const at::Tensor expected = values.to(type);
    at::Tensor read = at::empty_like(expected);
    read_all(file.descriptor(), read.data_ptr(), read.nbytes(), 6);
    expect(at::equal(read, expected), "elements differ");
    const auto end = static_cast<int64_t>(read.nbytes());
    const auto read_on = [&] { read_all(file.descriptor(), read.data_ptr(), 16, end); };
    expect(thrown_code(read_on) == ErrorCode::INTERNAL, "there are more bytes than elements");
  }
}

}  // namespace
}  // namespace permafrost
