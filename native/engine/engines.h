// Every engine whose thread may still run, and the end of them all with the process.
//
// exit() destroys the static objects of all libraries, in the opposite order of their making, while other threads go
// on. An engine's thread that then stands in libtorch or the BLAS is a segmentation fault.
#pragma once

#include <functional>
#include <memory>

namespace permafrost {

class Engine;

// Has `start_thread` start the engine's thread and keeps the engine until that is joined; joins those that have ended
// meanwhile. Throws DISPOSED where the process is ending, and starts nothing then.
void keep_until_joined(const std::shared_ptr<Engine>& engine, const std::function<void()>& start_thread);

// Gives up the work of all engines and waits until their threads are gone; no engine can be started any more.
// The program calls it when it is about to exit.
void end_engines();

// Has exit() call it, for a program that did not: before anything is destroyed that exists by now.
//
// Libraries make further objects when they are first asked for something, so engines call this as they work. Of all
// the calls only the 1st, 2nd, 4th, 8th ... do something.
void end_engines_at_exit();

}  // namespace permafrost
