// What a launch of a kernel hands over: its shape and its arguments, as the driver takes them and as the emulator
// of the tests checks them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace permafrost {

// Blocks of one dimension; nothing is launched where the grid is empty.
struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

struct LaunchShape {
  Grid grid;
  int64_t block = 1;
  // Dynamic shared memory of a block, in bytes.
  int64_t shared = 0;
};

// Type of what a pointer points at; the emulator compares it with the kernel's.
enum class Element : uint8_t { unknown, f32, f64, bf16, f16, i32, i64, u8 };

struct Argument {
  // A number or a struct, which must live until the launch returns; null for a pointer.
  const void* value = nullptr;
  size_t bytes = 0;  // of the value, or of what the pointer may reach
  bool is_floating = false;
  void* pointer = nullptr;
  Element element = Element::unknown;

  bool is_pointer() const { return value == nullptr; }
};

template <typename T>
constexpr Element element_of() {
  if constexpr (std::is_same_v<T, float>) return Element::f32;
  if constexpr (std::is_same_v<T, double>) return Element::f64;
  if constexpr (std::is_integral_v<T> && sizeof(T) == 4) return Element::i32;
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8) return Element::i64;
  if constexpr (std::is_integral_v<T> && sizeof(T) == 1) return Element::u8;
  return Element::unknown;
}

// Memory of the device that is no tensor: `count` elements, or none at all.
template <typename T>
struct DeviceArray {
  T* data = nullptr;
  int64_t count = 0;
};

template <typename T>
Argument argument_of(const DeviceArray<T>& array) {
  Argument argument;
  argument.pointer = const_cast<void*>(static_cast<const void*>(array.data));  // the kernel says what it writes
  argument.bytes = array.data == nullptr ? 0 : static_cast<size_t>(array.count) * sizeof(T);
  argument.element = element_of<std::remove_const_t<T>>();
  return argument;
}

// Numbers, and structs of them, go by value. They must have exactly the type of the kernel's parameter.
template <typename T>
Argument argument_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>, "tensors, DeviceArrays, numbers and structs");
  Argument argument;
  argument.value = &value;
  argument.bytes = sizeof(T);
  argument.is_floating = std::is_floating_point_v<T>;
  return argument;
}

}  // namespace permafrost
