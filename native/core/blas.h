// The BLAS library that libtorch multiplies matrices with, as far as it can be told and set from outside.
#pragma once

#include <string>

namespace permafrost {

// A symbol of any library that this one depends on, directly or not; null where none has it. Node loads addons with
// local symbols, so a search in the global scope would not meet them.
void* dependency_symbol(const char* name);

// The file that a function or variable of this process comes from; empty where there is none.
std::string file_of(const void* symbol);

// Its name; empty where there is none.
std::string blas_name();

// What OpenBLAS's threads are; `none` where another library is in use.
enum class OpenBlasThreads { none, sequential, own, openmp };
OpenBlasThreads openblas_threads();

// Sets the threads that the calling thread's matrix products and loops use. OpenBLAS with threads of its own has one
// setting for the whole process: there the engine started last decides.
void set_compute_threads(int count);

// Makes the static objects that hold libtorch's pools of threads. A thread that shares the making of one may go on
// before exit() knows of the object, so this is done before there are threads.
void make_compute_threads();

}  // namespace permafrost
