// The least that the C++ tests need: registration, checks that throw, a count at the end.
#pragma once

#include <cmath>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"

namespace permafrost::testing {

struct Test {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Test>& tests() {
  static std::vector<Test> registered;
  return registered;
}

struct Register {
  Register(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

// What a test runs in a process of its own, because the process ends by it.
inline std::vector<Test>& programs() {
  static std::vector<Test> registered;
  return registered;
}

struct RegisterProgram {
  RegisterProgram(const char* name, std::function<void()> body) { programs().push_back({name, std::move(body)}); }
};

// Runs a program in a process of its own; its exit status, or minus the signal that ended it.
int run_program(const std::string& name);

template <typename... Parts>
void expect(bool holds, const Parts&... parts) {
  if (holds) return;
  std::ostringstream message;
  (message << ... << parts);
  throw std::runtime_error(message.str());
}

// Runs `body` and returns the code of the Error that it must throw.
inline ErrorCode thrown_code(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  throw std::runtime_error("nothing was thrown");
}

inline int run_all(const std::string& filter) {
  int failed = 0, passed = 0;
  for (const Test& test : tests()) {
    if (test.name.find(filter) == std::string::npos) continue;
    try {
      test.body();
      ++passed;
      std::cout << "ok      " << test.name << "\n";
    } catch (const std::exception& error) {
      ++failed;
      std::cout << "FAILED  " << test.name << ": " << error.what() << "\n";
    }
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace permafrost::testing

#define PERMAFROST_JOIN_(a, b) a##b
#define PERMAFROST_JOIN(a, b) PERMAFROST_JOIN_(a, b)
#define PROGRAM(name)                                                                                     \
  static void PERMAFROST_JOIN(program_body_, __LINE__)();                                                 \
  static const permafrost::testing::RegisterProgram PERMAFROST_JOIN(program_, __LINE__)(                  \
      name, PERMAFROST_JOIN(program_body_, __LINE__));                                                    \
  static void PERMAFROST_JOIN(program_body_, __LINE__)()
#define TEST(name)                                                                                  \
  static void PERMAFROST_JOIN(test_body_, __LINE__)();                                              \
  static const permafrost::testing::Register PERMAFROST_JOIN(test_, __LINE__)(name,                 \
                                                                             PERMAFROST_JOIN(test_body_, __LINE__)); \
  static void PERMAFROST_JOIN(test_body_, __LINE__)()
