// The file that says which library was the fastest.
#pragma once

#include <string>
#include <vector>

namespace permafrost {

// Holds the file's lock for as long as it lives: of several processes one measures, and the others read what it wrote.
class KeptChoice {
 public:
  // `key`: all that a measurement depends on. The directory is made where it is missing.
  KeptChoice(const std::string& directory, std::string key);
  ~KeptChoice();
  KeptChoice(const KeptChoice&) = delete;
  KeptChoice& operator=(const KeptChoice&) = delete;

  // Which of the names the file holds; empty where it holds none, as one that is damaged or of another key does.
  std::string read(const std::vector<std::string>& names) const;
  // Returns whether it can be read again.
  bool write(const std::string& name);
  // Why nothing can be written; empty where it can.
  const std::string& problem() const { return problem_; }

 private:
  std::string content_of(const std::string& name) const;

  const std::string key_;
  int descriptor_ = -1;
  std::string problem_;
};

}  // namespace permafrost
