#include "core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace permafrost {

namespace {

// As the system knows it, also where it was removed.
std::string path_of(int descriptor) {
  char path[4096];
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof(path));
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "a file";
}

}  // namespace

UnnamedFile::UnnamedFile(const std::string& directory, const char* purpose) {
  std::string name = directory + "/permafrost-XXXXXX";
  // Programs that are started meanwhile do not inherit it.
  descriptor_ = mkostemp(name.data(), O_CLOEXEC);
  check(descriptor_ >= 0, ErrorCode::WRITE_FAILED, "Cannot make a file for ", purpose, " in ", directory, ": ",
        std::strerror(errno), ". Choose another directory.");
  unlink(name.c_str());
}

UnnamedFile::~UnnamedFile() { close(descriptor_); }

void write_all(int descriptor, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t written = write(descriptor, bytes, size);
    const int failure = errno;
    if (written < 0 && failure == EINTR) continue;
    check(written >= 0, ErrorCode::WRITE_FAILED, "Cannot write ", path_of(descriptor), ": ", std::strerror(failure),
          ". ", failure == ENOSPC ? "The disk is full: free some space or choose another directory."
                          : "Check that the directory exists and may be written to.");
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

void read_all(int descriptor, void* data, size_t size, int64_t offset) {
  auto* bytes = static_cast<uint8_t*>(data);
  while (size > 0) {
    const ssize_t got = pread(descriptor, bytes, size, offset);
    if (got < 0 && errno == EINTR) continue;
    check(got > 0, ErrorCode::INTERNAL, "A temporary file cannot be read back: ",
          got < 0 ? std::strerror(errno) : "it ends early", ".");
    bytes += got;
    offset += got;
    size -= static_cast<size_t>(got);
  }
}

std::string temporary_directory() {
  const char* named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

}  // namespace permafrost
