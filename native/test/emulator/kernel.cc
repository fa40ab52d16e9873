#include "test/emulator/kernel.h"

#include <algorithm>

namespace permafrost::emulator {

std::map<std::string, Launcher>& registered_kernels() {
  static std::map<std::string, Launcher> kernels;
  return kernels;
}

void refuse(const std::string& kernel, size_t index, const std::string& what) {
  throw KernelFault("kernel " + kernel + ": argument " + std::to_string(index) + " " + what);
}

void refuse_shared_memory(const std::string& kernel, const Argument* arguments, const std::vector<bool>& writes) {
  const auto begin = [&](size_t i) { return static_cast<const char*>(arguments[i].pointer); };
  const auto reaches = [&](size_t i, size_t j) { return begin(i) < begin(j) + arguments[j].bytes; };
  for (size_t i = 0; i < writes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!arguments[i].is_pointer() || !arguments[j].is_pointer() || begin(i) == nullptr || begin(j) == nullptr) continue;
      if (!(writes[i] || writes[j]) || !reaches(i, j) || !reaches(j, i)) continue;
      refuse(kernel, i, "is the memory of argument " + std::to_string(j) + ", and one of them is written");
    }
  }
}

Regions::Regions(const Argument* arguments, size_t count) {
  struct Range {
    char *begin, *end;
    std::string name;
  };
  std::vector<Range> ranges;
  for (size_t i = 0; i < count; ++i) {
    if (!arguments[i].is_pointer() || arguments[i].pointer == nullptr) continue;
    auto* begin = static_cast<char*>(arguments[i].pointer);
    ranges.push_back({begin, begin + arguments[i].bytes, std::to_string(i)});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<Range> united;
  for (const Range& range : ranges) {
    if (!united.empty() && range.begin < united.back().end) {
      united.back().end = std::max(united.back().end, range.end);
      united.back().name += " and " + range.name;
    } else {
      united.push_back(range);
    }
  }
  for (const Range& range : united) {
    regions_.push_back(std::make_unique<Region>("argument " + range.name, range.begin,
                                                static_cast<size_t>(range.end - range.begin), false));
  }
}

Region* Regions::of(const void* pointer) const {
  for (const auto& region : regions_) {
    if (pointer >= region->begin && pointer < region->begin + region->bytes) return region.get();
  }
  return nullptr;
}

}  // namespace permafrost::emulator
