#include "products/kept_choice.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <sstream>

namespace permafrost {

namespace {

// FNV-1a (Fowler, Noll & Vo 1991). The file holds the whole key: two of one hash overwrite each other's, no more.
std::string hash_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  std::ostringstream hexadecimal;
  hexadecimal << std::hex << hash;
  return hexadecimal.str();
}

// Whoever holds it measures for some tenths of a second, unless it was stopped halfway, which nobody waits for.
constexpr int kTries = 1000;

bool lock(int descriptor, int kind) {
  for (int i = 0; i < kTries; ++i) {
    if (flock(descriptor, kind | LOCK_NB) == 0) return true;
    if (errno != EINTR && errno != EWOULDBLOCK) return false;
    usleep(10'000);
  }
  return false;
}

}  // namespace

KeptChoice::KeptChoice(const std::string& directory, std::string key) : key_(std::move(key)) {
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  const std::string path = directory + "/" + hash_of(key_) + ".txt";
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    problem_ = path + " cannot be written: " + std::strerror(errno);
    // What someone else measured holds all the same.
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (descriptor_ >= 0 && !lock(descriptor_, problem_.empty() ? LOCK_EX : LOCK_SH) && problem_.empty()) {
    problem_ = path + " cannot be locked: " + std::strerror(errno);
  }
}

KeptChoice::~KeptChoice() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string KeptChoice::content_of(const std::string& name) const {
  return "permafrost products 1\n" + key_ + "\n" + name + "\nend\n";
}

std::string KeptChoice::read(const std::vector<std::string>& names) const {
  if (descriptor_ < 0) return "";
  std::string content(key_.size() + 256, '\0');
  const ssize_t size = pread(descriptor_, &content[0], content.size(), 0);
  content.resize(size > 0 ? static_cast<size_t>(size) : 0);
  for (const std::string& name : names) {
    if (content == content_of(name)) return name;
  }
  return "";
}

bool KeptChoice::write(const std::string& name) {
  if (!problem_.empty()) return false;
  const std::string content = content_of(name);
  const bool done = ftruncate(descriptor_, 0) == 0 &&
                    pwrite(descriptor_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size());
  if (!done) problem_ = std::string("the measurement cannot be kept: ") + std::strerror(errno);
  return done;
}

}  // namespace permafrost
