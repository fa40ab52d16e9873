// Kernels that are compiled at run time: by a fake NVRTC for a fake driver, which remember what is asked of them, and by
// a real NVRTC where one is found.
#include "device/compiled_kernels.h"

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "ops/cuda/kernel_check.h"
#include "ops/cuda/kernel_ops.h"
#include "test/emulator/emulated_kernels.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;

// The fake libraries with a cache directory of its own.
class FakeMachine {
 public:
  FakeMachine() {
    std::string name = temporary_directory() + "/permafrost-kernels-XXXXXX";
    expect(mkdtemp(name.data()) != nullptr, "no temporary directory");
    directory_ = name;
    set_capability(90);
    refuse("");
    log();
  }
  ~FakeMachine() { std::filesystem::remove_all(directory_); }

  CompiledKernels::Machine machine() const {
    return {nvrtc_, driver_, directory_, [this] { return reinterpret_cast<void*>(stream); }};
  }
  std::string log() const { return call<const char* (*)()>("fake_cuda_log")(); }
  void set_capability(int capability) const { call<void (*)(int)>("fake_cuda_set_capability")(capability); }
  void set_context(bool has) const { call<void (*)(int)>("fake_cuda_set_context")(has ? 1 : 0); }
  void refuse(const char* image) const { call<void (*)(const char*)>("fake_cuda_refuse")(image); }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
      if (entry.is_regular_file()) all.push_back(entry.path());
    }
    return all;
  }

  uintptr_t stream = 77;

 private:
  template <typename Function>
  Function call(const char* name) const {
    return reinterpret_cast<Function>(dlsym(dlopen(FAKE_CUDA, RTLD_LAZY | RTLD_NOLOAD), name));
  }

  const Nvrtc nvrtc_{FAKE_CUDA};
  const DriverLaunches driver_{FAKE_CUDA};
  std::string directory_;
};

const std::vector<KernelSource> kSources = {{"rows.cuh", {"first<float>", "second"}}, {"update.cuh", {"third"}}, {"none.cuh", {}}};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST("compiled kernels are launched with their arguments, on the current stream, with their shared memory") {
  FakeMachine fake;
  CompiledKernels kernels(fake.machine(), kSources);
  expect(kernels.has("first<float>") && kernels.has("third") && !kernels.has("fourth"), "names");
  const std::string made = fake.log();
  expect(kernels.compiled() == 2 && kernels.problem().empty(), "two sources were to be compiled: ", kernels.problem());
  expect(holds(made, "create rows.cuh with headers") && holds(made, "compile for sm_90"), made);
  expect(holds(made, "load image for sm_90: first<float> second"), made);
  expect(holds(made, "attribute 8 of _Zsecond: 232448") && holds(made, "ready _Zsecond"), made);

  const at::Tensor x = at::zeros({3});
  for (const uintptr_t stream : {uintptr_t{77}, uintptr_t{78}}) {
    fake.stream = stream;
    kernels.launch("first<float>", {{2, 3}, 64, 512}, x, int64_t{5}, 1.5f, -7);
    std::ostringstream wanted;
    wanted << "launch _Zfirst<float> <2 3 1, 64, 512> on " << stream << ": " << x.data_ptr() << " 5 1.5 -7\n";
    const std::string launched = fake.log();
    expect(launched == wanted.str(), launched, " instead of ", wanted.str());
  }
  kernels.launch("first<float>", {{0}, 64}, x, int64_t{5}, 1.5f, -7);
  expect(fake.log().empty(), "an empty grid was launched");
}

TEST("a thread without a context enters the device's own") {
  FakeMachine fake;
  const auto machine = fake.machine();
  fake.set_context(false);
  machine.driver.enter(2);
  expect(fake.log() == "retain 102\n", "the primary context of the device was to be taken");
  expect(machine.driver.capability() == 90, "there is a context");
  machine.driver.enter(2);
  expect(fake.log().empty(), "a context that is there stays");
}

TEST("kernels are compiled once for an architecture and read from the cache afterwards") {
  FakeMachine fake;
  expect(CompiledKernels(fake.machine(), kSources).compiled() == 2, "first");
  fake.log();
  const CompiledKernels again(fake.machine(), kSources);
  const std::string log = fake.log();
  expect(again.compiled() == 0 && again.has("second") && holds(log, "load image for sm_90: third"), log);
  expect(fake.files().size() == 2, fake.files().size(), " files");
  // Another card, or other names, are another thing.
  fake.set_capability(80);
  expect(CompiledKernels(fake.machine(), kSources).compiled() == 2, "another architecture");
  expect(CompiledKernels(fake.machine(), {{"rows.cuh", {"second"}}}).compiled() == 1, "other names");
  // Newer than this NVRTC: the driver compiles PTX.
  fake.set_capability(120);
  fake.log();
  expect(CompiledKernels(fake.machine(), kSources).compiled() == 2, "a newer card");
  expect(holds(fake.log(), "compile for compute_90"), "PTX");
}

TEST("a cache file that is damaged, cut or not loadable is compiled anew, and repaired") {
  FakeMachine fake;
  const std::vector<KernelSource> sources = {kSources[0]};
  CompiledKernels(fake.machine(), sources);
  const std::filesystem::path file = fake.files().at(0);
  const auto size = std::filesystem::file_size(file);
  for (const std::string damage : {"cut", "changed", "empty"}) {
    if (damage == "cut") std::filesystem::resize_file(file, size - 1);
    if (damage == "empty") std::filesystem::resize_file(file, 0);
    if (damage == "changed") std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(40).put('#');
    expect(CompiledKernels(fake.machine(), sources).compiled() == 1, damage);
    expect(CompiledKernels(fake.machine(), sources).compiled() == 0, damage, ": not repaired");
  }
  // Where nothing can be kept, everything works.
  auto machine = fake.machine();
  machine.cache_directory = "/proc/nothing";
  expect(CompiledKernels(machine, sources).compiled() == 1, "no cache");
  machine.cache_directory = "";
  expect(CompiledKernels(machine, sources).compiled() == 1, "no directory");
}

TEST("what does not compile or load is left out and said; nothing else is lost") {
  FakeMachine fake;
  const CompiledKernels kernels(fake.machine(), {kSources[0], {"broken.cuh", {"broken"}}});
  expect(kernels.has("second") && !kernels.has("broken"), "names");
  expect(holds(kernels.problem(), "NVRTC 13.7 does not compile broken.cuh for sm_90: broken is broken"), kernels.problem());
  fake.refuse("third");
  const CompiledKernels others(fake.machine(), kSources);
  expect(others.has("second") && !others.has("third"), "names");
  expect(holds(others.problem(), "loading kernels: no kernel image is available"), others.problem());

  const auto why = [&](const std::function<void()>& make) -> std::string {
    try {
      make();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  fake.set_capability(75);
  expect(holds(why([&] { CompiledKernels(fake.machine(), kSources); }), "8.0, and the card has 7.5"), "capability");
  expect(holds(why([] { Nvrtc("/nowhere/libnvrtc.so"); }), "/nowhere/libnvrtc.so is no NVRTC"), "no library");
  expect(holds(why([] { DriverLaunches("/nowhere/libcuda.so"); }), "driver was not found"), "no driver");
  fake.set_capability(90);
  CompiledKernels launching(fake.machine(), kSources);
  expect(holds(why([&] { launching.launch("second", {{13}, 32}, at::zeros({1}), int64_t{1}, 1.0f, 1); }),
               "launching second: unspecified launch failure"), "a failed launch");
}

bool is_nvrtc_there() {
  try {
    Nvrtc::find();
    return true;
  } catch (const std::runtime_error& error) {
    std::cout << "        skipped: " << error.what() << "\n";
    return false;
  }
}

TEST("NVRTC compiles every kernel for the cards that there are") {
  if (!is_nvrtc_there()) return;
  const Nvrtc* nvrtc = &Nvrtc::find();
  std::vector<KernelSource> sources;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const KernelSource& source : KernelOps::sources(type, 64)) sources.push_back(source);
  }
  for (const int64_t head_size : {32, 128}) sources.push_back(KernelOps::sources(at::kBFloat16, head_size).back());
  std::vector<std::future<void>> architectures;
  for (const int capability : {80, 90, 100}) {
    architectures.push_back(std::async(std::launch::async, [&, architecture = nvrtc->architecture_for(capability)] {
      for (const KernelSource& source : sources) {
        const CompiledSource compiled = nvrtc->compile(kernel_program(source), kernel_files(), source.names, architecture);
        expect(compiled.symbols.size() == source.names.size() && compiled.image.size() > 1000, source.file, " for ",
               architecture);
      }
    }));
  }
  for (auto& architecture : architectures) architecture.get();
}

TEST("NVRTC leaves stores of sixteen bytes whole") {
  if (!is_nvrtc_there()) return;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const KernelSource& source : RowKernels::sources(type)) {
      if (source.file != "activation.cuh" && source.file != "dropout.cuh") continue;
      const std::string ptx = Nvrtc::find().compile(kernel_program(source), kernel_files(), source.names, "compute_80").image;
      size_t split = 0, wanted = 0;
      for (size_t at = ptx.find("st.global."); at != std::string::npos; at = ptx.find("st.global.", at + 1)) {
        if (ptx.compare(at, 11, "st.global.v") != 0) ++split;
      }
      // Parts of sums, in a loop that the compiler may unroll once.
      for (const std::string& name : source.names) wanted += holds(name, "backward") ? 2 : 0;
      // sum_parts comes with each source.
      expect(split <= wanted + 1, split, " stores of one number in ", source.file, " of ", source.names.front());
    }
  }
}

// Kernels of the emulator of which one computes something else.
class WrongKernels : public EmulatedKernels {
 public:
  explicit WrongKernels(std::string wrong) : wrong_(std::move(wrong)) {}
  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override {
    EmulatedKernels::run(name, shape, arguments, count);
    if (name != wrong_) return;
    for (size_t i = 0; i < count; ++i) {
      const Argument& argument = arguments[i];
      if (!argument.is_pointer() || argument.element != Element::f32 || argument.bytes < 8) continue;
      float* values = static_cast<float*>(argument.pointer);
      std::swap(values[0], values[argument.bytes / 4 - 1]);
    }
  }

 private:
  const std::string wrong_;
};

TEST("every kernel agrees with the plain operations before it is used, and each of them is asked") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const auto gate = std::make_shared<KernelGate>(std::make_shared<EmulatedKernels>());
    std::set<std::string> checked;
    const std::string problem = refuse_wrong_kernels(gate, at::kCPU, type, 64, &checked);
    expect(problem.empty(), problem);
    for (const KernelSource& source : KernelOps::sources(type, 64)) {
      for (const std::string& name : source.names) expect(checked.count(name) == 1, name, " was not checked");
    }
  }
}

// Kernels of the emulator of which one fails as on a card: by an error of libtorch's, when its result is wanted.
class FailingKernels : public EmulatedKernels {
 public:
  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override {
    if (name == "dropout<float>") TORCH_CHECK(false, "CUDA error: an illegal memory access was encountered");
    EmulatedKernels::run(name, shape, arguments, count);
  }
};

TEST("a kernel that fails is refused, and where the card answers no more this is said") {
  const auto gate = std::make_shared<KernelGate>(std::make_shared<FailingKernels>());
  const std::string problem = refuse_wrong_kernels(gate, at::kCPU, at::kFloat, 64);
  expect(holds(problem, "dropout") && holds(problem, "illegal memory access") && !holds(problem, "frame"), problem);
  expect(!gate->has("dropout<float>") && gate->has("embed"), "names");
  const auto other = std::make_shared<KernelGate>(std::make_shared<FailingKernels>());
  try {
    refuse_wrong_kernels(other, at::kCPU, at::kFloat, 64, nullptr, [] { return false; });
  } catch (const DeviceSpoilt& error) {
    expect(holds(error.what(), "answers no more after the kernels of dropout ran: CUDA error: an illegal"), error.what());
    return;
  }
  expect(false, "nothing was thrown");
}

// Kernels of the emulator of which one is off by three hundredths in all that it writes.
class InexactKernels : public EmulatedKernels {
 public:
  void run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) override {
    EmulatedKernels::run(name, shape, arguments, count);
    if (name != "dropout<bf16>") return;
    auto* x = static_cast<c10::BFloat16*>(arguments[0].pointer);
    for (size_t i = 0; i < arguments[0].bytes / 2; ++i) x[i] = static_cast<float>(x[i]) * 1.03f;
  }
};

TEST("a kernel with a small error everywhere is refused") {
  const auto gate = std::make_shared<KernelGate>(std::make_shared<InexactKernels>());
  const std::string problem = refuse_wrong_kernels(gate, at::kCPU, at::kBFloat16, 64);
  expect(!gate->has("dropout<bf16>") && gate->has("embed") && holds(problem, "dropout"), problem);
}

TEST("a kernel that disagrees is refused, and those that are right stay") {
  const std::string wrong = "layer_norm_backward<float, float>";
  const auto gate = std::make_shared<KernelGate>(std::make_shared<WrongKernels>(wrong));
  const std::string problem = refuse_wrong_kernels(gate, at::kCPU, at::kFloat, 64);
  expect(holds(problem, "the kernels of LayerNorm disagree with the plain operation") && !holds(problem, "activation"), problem);
  expect(!gate->has(wrong), wrong, " is still there");
  for (const char* right : {"sum_parts", "activate<float, 0>", "activate_backward<float, 0>"}) expect(gate->has(right), right, " was refused: ", problem);
}

}  // namespace
}  // namespace permafrost
