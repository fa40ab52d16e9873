#include "device/compiled_kernels.h"

#include <stdexcept>

namespace permafrost {

namespace {

// bf16 products and asynchronous copies came with 8.0.
constexpr int kOldestCapability = 80;

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
  for (const KernelSource& source : sources) {
    if (source.names.empty()) continue;
    try {
      load(source, architecture);
    } catch (const std::runtime_error& error) {
      problem_ += (problem_.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (functions_.empty()) throw std::runtime_error(problem_.empty() ? "there are no kernels for this model" : problem_);
}

void CompiledKernels::load(const KernelSource& source, const std::string& architecture) {
  const SourceFile program = kernel_program(source);
  std::string key = machine_.nvrtc.version();
  for (const std::string& option : Nvrtc::options(architecture)) key += '\n' + option;
  for (const std::string& name : source.names) key += '\n' + name;
  for (const SourceFile& file : kernel_files()) key += '\n' + file.name + '\n' + file.text;
  key += '\n' + program.text;
  const std::string label = source.file.substr(0, source.file.find('.')) + "-" + architecture;

  const KernelCache cache(machine_.cache_directory);
  const auto put = [&](const CompiledSource& compiled) {
    void* module = machine_.driver.load(compiled.image);
    std::map<std::string, void*> functions;
    for (size_t i = 0; i < source.names.size(); ++i) {
      functions[source.names[i]] = machine_.driver.function(module, compiled.symbols.at(i));
    }
    functions_.insert(functions.begin(), functions.end());
  };
  if (const auto kept = cache.read(label, key)) {
    try {
      return put(*kept);
    } catch (const std::exception&) {
      // What this driver does not load is compiled anew.
    }
  }
  const CompiledSource compiled = machine_.nvrtc.compile(program, kernel_files(), source.names, architecture);
  ++compiled_;
  put(compiled);
  cache.write(label, key, compiled);
}

void CompiledKernels::run(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count) {
  std::vector<void*> pointers(count);
  for (size_t i = 0; i < count; ++i) {
    // The driver reads each argument where it lies.
    pointers[i] = arguments[i].is_pointer() ? const_cast<void**>(&arguments[i].pointer) : const_cast<void*>(arguments[i].value);
  }
  const unsigned grid[3] = {static_cast<unsigned>(shape.grid.x), static_cast<unsigned>(shape.grid.y),
                            static_cast<unsigned>(shape.grid.z)};
  machine_.driver.launch(functions_.at(name), grid, static_cast<unsigned>(shape.block),
                         static_cast<unsigned>(shape.shared), machine_.stream(), pointers.data());
}

std::unique_ptr<CompiledKernels> compile_kernels(at::Device device, const std::vector<KernelSource>& sources) {
  if (!kHasStreamHandles) {
    throw std::runtime_error(std::string("they need libtorch 2.4 or later, and this is ") + libtorch_build_version());
  }
  static const DriverLaunches driver;
  // libtorch makes the context at its first work on the device.
  if (!driver.has_context()) at::empty({1}, at::TensorOptions().dtype(at::kFloat).device(device));
  const auto stream = [device] { return native_handle(c10::impl::VirtualGuardImpl(device.type()).getStream(device)); };
  return std::make_unique<CompiledKernels>(CompiledKernels::Machine{Nvrtc::find(), driver, cache_directory(), stream}, sources);
}

}  // namespace permafrost
