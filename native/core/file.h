// Files that the engine reads and writes by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace permafrost {

// A file without a name, so that nothing of it outlives the process.
class UnnamedFile {
 public:
  // `purpose` names it in errors. Throws WRITE_FAILED where none can be made in the directory.
  UnnamedFile(const std::string& directory, const char* purpose);
  ~UnnamedFile();
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Writes all bytes where the descriptor stands. Throws WRITE_FAILED, naming the file.
void write_all(int descriptor, const void* data, size_t size);

// Reads bytes that were written before. Throws INTERNAL where they are not there any more.
void read_all(int descriptor, void* data, size_t size, int64_t offset);

// Where temporary files belong: TMPDIR, or /tmp.
std::string temporary_directory();

}  // namespace permafrost
