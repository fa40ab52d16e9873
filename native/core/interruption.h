// Work that is given up halfway, because nobody is left to see its result.
#pragma once

#include <atomic>

namespace permafrost {

// Lets the calling thread's work be interrupted from another one, by setting `flag`; it must outlive the work.
void interrupt_by(const std::atomic<bool>& flag);

// Throws DISPOSED where the calling thread is to give up. What the work has half written must never be read again.
//
// Called before each matrix product, the longest piece of a computation, and between the tensors of longer loops.
void interruption_point();

}  // namespace permafrost
