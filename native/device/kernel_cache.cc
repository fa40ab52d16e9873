#include "device/kernel_cache.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "distributed/sha256.h"

namespace permafrost {

namespace {

constexpr char kHeading[] = "permafrost kernels 1\n";
constexpr size_t kDigestSize = 32;

std::string bytes_of(const Digest& digest) { return {digest.begin(), digest.end()}; }

std::string hexadecimal(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

}  // namespace

std::string cache_directory() {
  if (const char* own = environment("PERMAFROST_CACHE")) return own;
  if (const char* all = environment("XDG_CACHE_HOME")) return std::string(all) + "/permafrost";
  if (const char* home = environment("HOME")) return std::string(home) + "/.cache/permafrost";
  return "";
}

std::string KernelCache::path_of(const std::string& label, const std::string& key) const {
  return directory_ + "/kernels/" + label + "-" + hexadecimal(bytes_of(sha256(key))).substr(0, 32) + ".bin";
}

std::optional<CompiledSource> KernelCache::read(const std::string& label, const std::string& key) const {
  if (directory_.empty()) return {};
  std::ifstream file(path_of(label, key), std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) return {};
  const std::string all = content.str();
  if (all.size() < kDigestSize) return {};
  const std::string body = all.substr(0, all.size() - kDigestSize);
  if (bytes_of(sha256(body)) != all.substr(body.size())) return {};
  std::istringstream lines(body);
  std::string heading;
  size_t symbols = 0;
  CompiledSource compiled;
  if (!std::getline(lines, heading) || heading + "\n" != kHeading || !(lines >> symbols) || lines.get() != '\n') return {};
  compiled.symbols.resize(symbols);
  for (std::string& symbol : compiled.symbols) {
    if (!std::getline(lines, symbol)) return {};
  }
  compiled.image = body.substr(static_cast<size_t>(lines.tellg()));
  return compiled;
}

void KernelCache::write(const std::string& label, const std::string& key, const CompiledSource& compiled) const {
  if (directory_.empty()) return;
  const std::filesystem::path path = path_of(label, key);
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  if (failed) return;
  std::string body = kHeading + std::to_string(compiled.symbols.size()) + "\n";
  for (const std::string& symbol : compiled.symbols) body += symbol + "\n";
  body += compiled.image;
  // Whole under a name of its own first: another process may read it at any moment.
  std::string temporary = path.string() + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) return;
  close(descriptor);
  std::ofstream file(temporary, std::ios::binary);
  file << body << bytes_of(sha256(body));
  file.close();
  if (file) {
    std::filesystem::rename(temporary, path, failed);
  } else {
    failed = std::make_error_code(std::errc::io_error);
  }
  if (failed) std::filesystem::remove(temporary, failed);
}

}  // namespace permafrost
