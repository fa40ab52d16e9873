#include "test/emulator/fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace permafrost::emulator {

namespace {

constexpr size_t kStack = 256 * 1024;

// ThreadSanitizer follows calls and returns: a function that goes from one flow to another must not be among them.
#if defined(__SANITIZE_THREAD__)
#define SWITCHES __attribute__((no_sanitize_thread))
#else
#define SWITCHES
#endif

}  // namespace

struct Fiber::State {
  std::function<void()> body;
  bool ended = true;
  char* stack;
  const void* host_stack = nullptr;
  size_t host_stack_size = 0;
  void* fake_stack = nullptr;
  void *own_fiber = nullptr, *host_fiber = nullptr;
#if defined(__x86_64__)
  void *own = nullptr, *host = nullptr;
#else
  ucontext_t own, host;
#endif

  State() {
    void* memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stack = static_cast<char*>(memory);
#if defined(__SANITIZE_THREAD__)
    own_fiber = __tsan_create_fiber(0);
#endif
  }
  ~State() {
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(own_fiber);
#endif
    munmap(stack, kStack);
  }

  // A body that was left where it stood has left marks of its frames, too.
  void forget_frames() {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack, kStack);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(own_fiber);
    own_fiber = __tsan_create_fiber(0);
#endif
    fake_stack = nullptr;
  }

  SWITCHES void enter_own() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &host_stack, &host_stack_size);
#endif
  }
  SWITCHES void leave_own() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(ended ? nullptr : &fake_stack, host_stack, host_stack_size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(host_fiber, 0);
#endif
  }

  SWITCHES static void main(State* state) {
    state->enter_own();
    state->body();
    state->ended = true;
    to_host(*state);
    __builtin_unreachable();
  }

  SWITCHES static void to_own(State& state);
  SWITCHES static void to_host(State& state);
};

#if defined(__x86_64__)

// Saves what a call must keep, leaves the stack in *from, and goes on on the stack `to`.
extern "C" void permafrost_switch_stack(void** from, void* to);
asm(R"(
.text
.type permafrost_switch_stack, @function
permafrost_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size permafrost_switch_stack, .-permafrost_switch_stack
.type permafrost_begin_fiber, @function
permafrost_begin_fiber:
  movq %r12, %rdi
  callq *%r13
  ud2
.size permafrost_begin_fiber, .-permafrost_begin_fiber
)");
extern "C" void permafrost_begin_fiber();

void Fiber::begin(std::function<void()> body) {
  state_->body = std::move(body);
  state_->ended = false;
  state_->forget_frames();
  // r15, r14, r13, r12, rbx, rbp, and where to go on; the stack is aligned before the call that begins.
  void** top = reinterpret_cast<void**>(state_->stack + kStack) - 9;
  top[0] = nullptr;
  top[1] = nullptr;
  top[2] = reinterpret_cast<void*>(&State::main);
  top[3] = state_.get();
  top[4] = nullptr;
  top[5] = nullptr;
  top[6] = reinterpret_cast<void*>(&permafrost_begin_fiber);
  top[7] = nullptr;
  state_->own = top;
}

void Fiber::State::to_own(State& state) { permafrost_switch_stack(&state.host, state.own); }
void Fiber::State::to_host(State& state) {
  state.leave_own();
  permafrost_switch_stack(&state.own, state.host);
  state.enter_own();
}

#else

void Fiber::begin(std::function<void()> body) {
  state_->body = std::move(body);
  state_->ended = false;
  state_->forget_frames();
  getcontext(&state_->own);
  state_->own.uc_stack.ss_sp = state_->stack;
  state_->own.uc_stack.ss_size = kStack;
  state_->own.uc_link = nullptr;
  const auto address = reinterpret_cast<uintptr_t>(state_.get());
  const auto start = +[](unsigned low, unsigned high) {
    State::main(reinterpret_cast<State*>(uintptr_t{low} | uintptr_t{high} << 16 << 16));
  };
  makecontext(&state_->own, reinterpret_cast<void (*)()>(start), 2, static_cast<unsigned>(address),
              static_cast<unsigned>(address >> 16 >> 16));
}

void Fiber::State::to_own(State& state) { swapcontext(&state.host, &state.own); }
void Fiber::State::to_host(State& state) {
  state.leave_own();
  swapcontext(&state.own, &state.host);
  state.enter_own();
}

#endif

Fiber::Fiber() : state_(std::make_unique<State>()) {}
Fiber::~Fiber() = default;

SWITCHES void Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, state_->stack, kStack);
#endif
#if defined(__SANITIZE_THREAD__)
  state_->host_fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(state_->own_fiber, 0);
#endif
  State::to_own(*state_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

SWITCHES void Fiber::pause() { State::to_host(*state_); }

bool Fiber::ended() const { return state_->ended; }

}  // namespace permafrost::emulator
