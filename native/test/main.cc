// permafrost_tests [FILTER]              runs the tests whose names hold the filter
// permafrost_tests --program NAME        one of the programs that tests run
#include <spawn.h>
#include <sys/wait.h>

#include "test/testing.h"

extern char** environ;

namespace permafrost::testing {

int run_program(const std::string& name) {
  std::string self = "/proc/self/exe", option = "--program", program = name;
  char* arguments[] = {self.data(), option.data(), program.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  expect(posix_spawn(&child, self.c_str(), nullptr, nullptr, arguments, environ) == 0, "cannot start ", name);
  expect(waitpid(child, &status, 0) == child, "cannot wait for ", name);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace permafrost::testing

int main(int argc, char** argv) {
  using namespace permafrost::testing;
  const std::string first = argc > 1 ? argv[1] : "";
  if (first != "--program") return run_all(first);
  for (const Test& program : programs()) {
    if (argc > 2 && program.name == argv[2]) program.body();
  }
  return 1;
}
