// Kernels of a card as functions of the host: launched directly, or registered under the names by which the engine
// launches them.
//
//   EMULATED_KERNEL(scale_rows<bf16>)            at global scope of a .cc file that includes the kernel's source
//   emulator::launch("scale_rows", scale_rows<float>, {{rows}, 128}, x, factors, int64_t{rows}, int64_t{columns});
#pragma once

#include <memory>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "device/launch.h"
#include "test/emulator/block.h"

namespace permafrost::card {
struct bf16;
}

namespace permafrost {

// In programs without libtorch a vector stands for a tensor.
template <typename T>
Argument argument_of(const std::vector<T>& values) {
  return argument_of(DeviceArray<const T>{values.data(), static_cast<int64_t>(values.size())});
}

namespace emulator {

using Launcher = void (*)(const std::string& name, const LaunchShape& shape, const Argument* arguments, size_t count);

// By name expression.
std::map<std::string, Launcher>& registered_kernels();

// What the arguments of a launch point into; those that overlap are one region.
class Regions {
 public:
  Regions(const Argument* arguments, size_t count);
  Region* of(const void* pointer) const;

 private:
  std::vector<std::unique_ptr<Region>> regions_;
};

// Refuses memory that comes as two arguments one of which is written: on a card GLOBAL is __restrict__, so that the
// compiler orders accesses by way of one as if the other did not exist. `writes` says what is written, by argument.
void refuse_shared_memory(const std::string& kernel, const Argument* arguments, const std::vector<bool>& writes);

[[noreturn]] void refuse(const std::string& kernel, size_t index, const std::string& what);

template <typename T>
constexpr Element element_of_parameter() {
  if constexpr (std::is_same_v<T, card::bf16>) return Element::bf16;
  return element_of<T>();
}

template <typename Parameter>
constexpr bool writes_through = false;
template <typename T>
constexpr bool writes_through<Pointer<T>> = !std::is_const_v<T>;

template <typename Parameter>
constexpr size_t size_on_card = sizeof(Parameter);
template <typename T>
constexpr size_t size_on_card<Pointer<T>> = sizeof(void*);

// As they lie one after another where none needs more than eight bytes of alignment.
template <typename... Parameters>
constexpr size_t argument_bytes() {
  return (size_t{0} + ... + ((size_on_card<Parameters> + 7) / 8 * 8));
}

// A parameter of the kernel made of what the launch hands over.
template <typename Parameter>
struct Bind {
  static Parameter of(const std::string& kernel, size_t index, const Argument& argument, const Regions&) {
    if (argument.is_pointer()) refuse(kernel, index, "is a tensor where the kernel takes a number");
    if (argument.bytes != sizeof(Parameter) || argument.is_floating != std::is_floating_point_v<Parameter>) {
      refuse(kernel, index, "is not of the type of the kernel's parameter");
    }
    return *static_cast<const Parameter*>(argument.value);
  }
};

template <typename T>
struct Bind<Pointer<T>> {
  static Pointer<T> of(const std::string& kernel, size_t index, const Argument& argument, const Regions& regions) {
    if (!argument.is_pointer()) refuse(kernel, index, "is a number where the kernel takes a tensor");
    if (argument.pointer == nullptr) return {};
    constexpr Element wanted = element_of_parameter<std::remove_const_t<T>>();
    if (wanted != Element::unknown && argument.element != Element::unknown && argument.element != wanted) {
      refuse(kernel, index, "is a tensor of another type than the kernel takes");
    }
    return Pointer<T>(regions.of(argument.pointer), argument.pointer, argument.bytes);
  }
};

template <typename... Parameters, size_t... kIndex>
void launch_bound(const std::string& name, void (*kernel)(Parameters...), const LaunchShape& shape,
                  const Argument* arguments, std::index_sequence<kIndex...>) {
  const Regions regions(arguments, sizeof...(Parameters));
  const std::tuple<Parameters...> bound{Bind<Parameters>::of(name, kIndex, arguments[kIndex], regions)...};
  refuse_shared_memory(name, arguments, {writes_through<Parameters>...});
  // What every card and NVRTC take.
  static_assert(argument_bytes<Parameters...>() <= 4096, "a kernel has at most 4096 bytes of arguments");
  run_blocks(name, {static_cast<unsigned>(shape.grid.x), static_cast<unsigned>(shape.grid.y), static_cast<unsigned>(shape.grid.z)},
             static_cast<unsigned>(shape.block), static_cast<size_t>(shape.shared),
             [&] { std::apply(kernel, bound); });
}

template <typename... Parameters>
void launch_kernel(const std::string& name, void (*kernel)(Parameters...), const LaunchShape& shape,
                   const Argument* arguments, size_t count) {
  if (count != sizeof...(Parameters)) {
    throw KernelFault("kernel " + name + ": " + std::to_string(count) + " arguments; it takes " +
                      std::to_string(sizeof...(Parameters)));
  }
  launch_bound(name, kernel, shape, arguments, std::index_sequence_for<Parameters...>());
}

template <typename... Parameters, typename... Values>
void launch(const std::string& name, void (*kernel)(Parameters...), const LaunchShape& shape, const Values&... values) {
  const std::array<Argument, sizeof...(Values)> arguments = {argument_of(values)...};
  launch_kernel(name, kernel, shape, arguments.data(), arguments.size());
}

struct RegisterKernel {
  RegisterKernel(const char* name, Launcher launcher) { registered_kernels()[name] = launcher; }
};

}  // namespace emulator
}  // namespace permafrost

#define EMULATOR_JOIN_(a, b) a##b
#define EMULATOR_JOIN(a, b) EMULATOR_JOIN_(a, b)
// At global scope. The name is that of the NVRTC name expression, to the letter.
#define EMULATED_KERNEL(...)                                                                              \
  static const permafrost::emulator::RegisterKernel EMULATOR_JOIN(emulated_kernel_, __COUNTER__)(         \
      #__VA_ARGS__, [](const std::string& name, const permafrost::LaunchShape& shape,                     \
                       const permafrost::Argument* arguments, size_t count) {                             \
        using namespace permafrost::card;                                                                 \
        permafrost::emulator::launch_kernel(name, &__VA_ARGS__, shape, arguments, count);                 \
      });
