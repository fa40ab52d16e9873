// Flows of control that share one thread of the host, switched by hand.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace permafrost::emulator {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // Readies it to run `body` from its beginning; an earlier body that has not ended is forgotten where it stands.
  void begin(std::function<void()> body);
  // From the host: runs the fiber until it pauses or its body returns, which must not throw.
  void resume();
  // From within: back to the host.
  void pause();
  bool ended() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace permafrost::emulator
