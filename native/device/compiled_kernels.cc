#include "device/compiled_kernels.h"

#include <future>
#include <stdexcept>
#include <utility>

namespace permafrost {

namespace {

// bf16 products and asynchronous copies came with 8.0.
constexpr int kOldestCapability = 80;

// Of what all kernels depend on.
std::string common_key(const Nvrtc& nvrtc, const std::string& architecture) {
  std::string key = nvrtc.version();
  for (const std::string& option : Nvrtc::options(architecture)) key += '\n' + option;
  for (const SourceFile& file : kernel_files()) key += '\n' + file.name + '\n' + file.text;
  return key;
}

}  // namespace

SourceFile kernel_program(const KernelSource& source) {
  return {source.file, "#include \"ops/cuda/" + source.file + "\"\nusing namespace permafrost::card;\n"};
}

CompiledKernels::CompiledKernels(Machine machine, const std::vector<KernelSource>& sources) : machine_(std::move(machine)) {
  const int capability = machine_.driver.capability();
  if (capability < kOldestCapability) {
    throw std::runtime_error("the kernels need compute capability 8.0, and the card has " +
                             std::to_string(capability / 10) + "." + std::to_string(capability % 10));
  }
  const std::string architecture = machine_.nvrtc.architecture_for(capability);
  std::vector<std::pair<const KernelSource*, std::future<Image>>> images;
  for (const KernelSource& source : sources) {
    if (source.names.empty()) continue;
    images.emplace_back(&source, std::async(std::launch::async, [&] { return image_of(source, architecture, true); }));
  }
  for (auto& [source, future] : images) {
    try {
      Image image = future.get();
      if (!image.was_kept || !try_load(*source, image.compiled)) {
        // What this driver does not load of what was kept is compiled anew.
        if (image.was_kept) image = image_of(*source, architecture, false);
        load(*source, image.compiled);
        ++compiled_;
      }
    } catch (const std::runtime_error& error) {
      problem_ += (problem_.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  identity_ = common_key(machine_.nvrtc, architecture);
  for (const auto& [name, function] : functions_) identity_ += '\n' + name;
  if (functions_.empty()) throw std::runtime_error(problem_.empty() ? "there are no kernels for this model" : problem_);
}

CompiledKernels::Image CompiledKernels::image_of(const KernelSource& source, const std::string& architecture,
                                                 bool may_be_kept) const {
  const SourceFile program = kernel_program(source);
  std::string key = common_key(machine_.nvrtc, architecture) + '\n' + program.text;
  for (const std::string& name : source.names) key += '\n' + name;
  const std::string label = source.file.substr(0, source.file.find('.')) + "-" + architecture;
  const KernelCache cache(machine_.cache_directory);
  if (may_be_kept) {
    const auto kept = cache.read(label, key);
    if (kept && kept->symbols.size() == source.names.size()) return {*kept, true};
  }
  Image image{machine_.nvrtc.compile(program, kernel_files(), source.names, architecture), false};
  cache.write(label, key, image.compiled);
  return image;
}

bool CompiledKernels::try_load(const KernelSource& source, const CompiledSource& compiled) {
  try {
    load(source, compiled);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void CompiledKernels::load(const KernelSource& source, const CompiledSource& compiled) {
  void* module = machine_.driver.load(compiled.image);
  std::map<std::string, void*> functions;
  for (size_t i = 0; i < source.names.size(); ++i) {
    functions[source.names[i]] = machine_.driver.function(module, compiled.symbols[i]);
  }
  functions_.insert(functions.begin(), functions.end());
}

void CompiledKernels::run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) {
  std::vector<void*> pointers(count);
  for (size_t i = 0; i < count; ++i) {
    // The driver reads each argument where it lies.
    pointers[i] = arguments[i].is_pointer() ? const_cast<void**>(&arguments[i].pointer) : const_cast<void*>(arguments[i].value);
  }
  const unsigned grid[3] = {static_cast<unsigned>(shape.grid.x), static_cast<unsigned>(shape.grid.y),
                            static_cast<unsigned>(shape.grid.z)};
  machine_.driver.launch(name, functions_.at(name), grid, static_cast<unsigned>(shape.block),
                         static_cast<unsigned>(shape.shared), machine_.stream(), pointers.data());
}

std::unique_ptr<CompiledKernels> compile_kernels(at::Device device, const std::vector<KernelSource>& sources) {
  if (!kHasStreamHandles) {
    throw std::runtime_error(std::string("they need libtorch 2.4 or later, and this is ") + libtorch_build_version());
  }
  static const DriverLaunches driver;
  driver.enter(device.index());
  const auto stream = [device] { return native_handle(c10::impl::VirtualGuardImpl(device.type()).getStream(device)); };
  return std::make_unique<CompiledKernels>(CompiledKernels::Machine{Nvrtc::find(), driver, cache_directory(), stream}, sources);
}

}  // namespace permafrost
