// Compiled kernels in the user's cache directory.
#pragma once

#include <optional>
#include <string>

#include "device/nvrtc.h"

namespace permafrost {

// PERMAFROST_CACHE, else `permafrost` in XDG_CACHE_HOME or ~/.cache; empty where none of these is known.
std::string cache_directory();

class KernelCache {
 public:
  // An empty directory keeps nothing. Nor does one that cannot be written: kernels are compiled anew.
  explicit KernelCache(const std::string& directory) : directory_(directory) {}

  // `key`: all that the result depends on. Empty where nothing is kept for it, or what is kept is damaged.
  std::optional<CompiledSource> read(const std::string& label, const std::string& key) const;
  void write(const std::string& label, const std::string& key, const CompiledSource& compiled) const;

 private:
  std::string path_of(const std::string& label, const std::string& key) const;

  const std::string directory_;
};

}  // namespace permafrost
