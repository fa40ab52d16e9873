// Memory as kernels see it in the emulator: every access is checked against its bounds and against what other threads
// did to the same bytes since they last met.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace permafrost::emulator {

// When bytes were last written and read, and by whom: see Stamp in memory.cc.
struct Cell {
  uint64_t written = 0, read = 0;
};

// What one or several arguments of a launch point into, or the shared memory of a block.
struct Region {
  std::string name;
  char* begin = nullptr;
  size_t bytes = 0;
  bool is_shared = false;
  std::vector<Cell> cells;  // one for every two bytes

  Region(std::string name, void* begin, size_t bytes, bool is_shared)
      : name(std::move(name)), begin(static_cast<char*>(begin)), bytes(bytes), is_shared(is_shared),
        cells((bytes + 1) / 2) {}
};

enum class Access { read, write, atomic };

// Ends the launch with a message where the access is not allowed.
void access(const Region* region, const char* limit_begin, const char* limit_end, const char* at, size_t bytes,
            size_t alignment, Access kind);

// An element of a tensor or of shared memory that can be written; read by conversion, as a temporary alone, so that `auto x = p[i]` does not read later.
template <typename T>
class Place;

// A pointer that knows what it may reach.
template <typename T>
class Pointer {
 public:
  using Value = std::remove_const_t<T>;

  Pointer() = default;
  Pointer(std::nullptr_t) {}
  Pointer(Region* region, void* begin, size_t bytes)
      : region_(region), begin_(static_cast<char*>(begin)), end_(begin_ + bytes), at_(begin_) {}
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  Pointer(const Pointer<U>& other) : Pointer(other.template as<T>()) {}

  template <typename U>
  Pointer<U> as() const {
    Pointer<U> other;
    other.region_ = region_;
    other.begin_ = begin_;
    other.end_ = end_;
    other.at_ = at_;
    return other;
  }

  explicit operator bool() const { return at_ != nullptr; }

  template <typename I, typename = std::enable_if_t<std::is_integral_v<I>>>
  decltype(auto) operator[](I index) const {
    const Pointer place = *this + index;
    if constexpr (std::is_const_v<T>) {
      return place.template read<Value>();
    } else {
      return Place<T>(place);
    }
  }
  decltype(auto) operator*() const { return (*this)[0]; }
  template <typename I, typename = std::enable_if_t<std::is_integral_v<I>>>
  Pointer operator+(I elements) const {
    Pointer moved = *this;
    moved.at_ += static_cast<int64_t>(elements) * static_cast<int64_t>(sizeof(T));
    return moved;
  }
  template <typename I, typename = std::enable_if_t<std::is_integral_v<I>>>
  Pointer operator-(I elements) const {
    return *this + -static_cast<int64_t>(elements);
  }
  template <typename I, typename = std::enable_if_t<std::is_integral_v<I>>>
  Pointer& operator+=(I elements) {
    return *this = *this + elements;
  }

  template <typename V>
  V read() const {
    access(region_, begin_, end_, at_, sizeof(V), alignof(V), Access::read);
    return *reinterpret_cast<const V*>(at_);
  }
  template <typename V>
  void write(const V& value) const {
    static_assert(!std::is_const_v<T>, "a pointer to const");
    access(region_, begin_, end_, at_, sizeof(V), alignof(V), Access::write);
    *reinterpret_cast<V*>(at_) = value;
  }
  // The value before.
  template <typename Change>
  Value change(Change change) const {
    static_assert(!std::is_const_v<T>, "a pointer to const");
    access(region_, begin_, end_, at_, sizeof(T), alignof(T), Access::atomic);
    T& element = *reinterpret_cast<T*>(at_);
    const Value before = element;
    element = change(before);
    return before;
  }

 private:
  template <typename>
  friend class Pointer;

  Region* region_ = nullptr;
  char *begin_ = nullptr, *end_ = nullptr, *at_ = nullptr;
};

template <typename T>
class Place {
 public:
  explicit Place(Pointer<T> place) : place_(place) {}
  Place(const Place&) = delete;

  operator T() && { return read(); }
  const T& operator=(const T& value) { place_.template write<T>(value); return value; }
  Place& operator=(const Place& other) { *this = other.read(); return *this; }
  Place& operator=(Place&& other) { *this = other.read(); return *this; }
  template <typename V> void operator+=(const V& value) { *this = static_cast<T>(read() + value); }
  template <typename V> void operator-=(const V& value) { *this = static_cast<T>(read() - value); }
  template <typename V> void operator*=(const V& value) { *this = static_cast<T>(read() * value); }
  template <typename V> void operator/=(const V& value) { *this = static_cast<T>(read() / value); }
  // &p[i]
  Pointer<T> operator&() const { return place_; }

 private:
  T read() const { return place_.template read<T>(); }
  Pointer<T> place_;
};

template <typename V, typename T>
V load_vector(Pointer<T> pointer, int64_t element) {
  return (pointer + element).template read<V>();
}
template <typename V, typename T>
void store_vector(Pointer<T> pointer, int64_t element, const V& value) {
  (pointer + element).write(value);
}

}  // namespace permafrost::emulator
