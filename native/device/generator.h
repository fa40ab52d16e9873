// The random numbers that one engine draws from a card.
#pragma once

#include <cstdint>
#include <mutex>

#include "core/libtorch_card.h"

namespace permafrost {

// Libtorch has one generator for each card and process. A recorded step reads seed and offset from two numbers on the
// device that belong to the generator's state, at the time at which it runs; engines that shared a state would write
// over each other's. So each has a state of its own, which takes its turn in libtorch's generator. Does nothing for a
// CPU, whose masks need no generator.
class DeviceGenerator {
 public:
  explicit DeviceGenerator(at::Device device);

  // As long as it lives the card's generator has this engine's state, and other engines launch nothing that draws.
  class Turn {
   public:
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    friend class DeviceGenerator;
    Turn(DeviceGenerator& owner, uint64_t seed, uint32_t pass);
    std::unique_lock<std::mutex> lock_;
    at::Generator shared_, others_;
  };
  // Seeded for one pass.
  Turn take_turn(uint64_t seed, uint32_t pass) { return {*this, seed, pass}; }

 private:
  const at::Device device_;
  at::Generator own_;
};

// What other engines of the card must not do at the same time: record, or draw.
std::mutex& generator_mutex(at::Device device);

}  // namespace permafrost
