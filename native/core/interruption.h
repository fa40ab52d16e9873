// Work that is given up halfway, because nobody is left to see its result.
#pragma once

#include <atomic>

namespace permafrost {

// What another thread tells one that works.
struct Interruption {
  std::atomic<bool> work{false};   // to give up whatever it does
  std::atomic<bool> waits{false};  // to wait no longer for other processes
};

// Lets the calling thread's work be interrupted from another one; `interruption` must outlive the work.
void interrupt_by(const Interruption* interruption);
// What interrupts the calling thread, for a thread that works for it; may be null.
const Interruption* own_interruption();

// Throws DISPOSED where the calling thread is to give up. What the work has half written must never be read again.
//
// Called before each matrix product, the longest piece of a computation, and between the tensors of longer loops.
void interruption_point();
// The same for one that has waited for other processes for so many seconds: those that are there have a second to come.
void interruption_point_waiting(double seconds);

}  // namespace permafrost
