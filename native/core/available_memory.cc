#include "core/available_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace permafrost {

namespace {

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

// The number behind a word of a file, kUnlimited where there is none.
size_t number_behind(const std::string& file, const std::string& word) {
  std::ifstream in(file);
  std::string found;
  while (in >> found) {
    size_t number;
    if (found == word && in >> number) return number;
  }
  return kUnlimited;
}

size_t number_in(const std::string& file) {
  std::ifstream in(file);
  size_t number;
  return in >> number ? number : kUnlimited;
}

// Of a control group of version 2, whose cached file pages can be given up.
size_t left_in_group(const std::string& group) {
  const size_t limit = number_in(group + "/memory.max");
  const size_t used = number_in(group + "/memory.current");
  if (limit == kUnlimited || used == kUnlimited) return kUnlimited;
  const size_t cached = number_behind(group + "/memory.stat", "inactive_file");
  const size_t held = used - (cached == kUnlimited ? 0 : std::min(used, cached));
  return limit - std::min(limit, held);
}

}  // namespace

size_t available_memory() {
  const size_t kilobytes = number_behind("/proc/meminfo", "MemAvailable:");
  size_t available = kilobytes == kUnlimited ? kUnlimited : kilobytes * 1024;
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    if (line.rfind("0::", 0) != 0) continue;
    // Every group above may set a limit as well.
    for (std::string path = line.substr(3); !path.empty(); path.erase(path.find_last_of('/'))) {
      available = std::min(available, left_in_group("/sys/fs/cgroup" + path));
    }
    available = std::min(available, left_in_group("/sys/fs/cgroup"));
  }
  return available;
}

}  // namespace permafrost
