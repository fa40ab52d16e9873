// The emulator that kernels of a card are tested on: it must find what a card would not report.
#include <limits>

#include "core/libtorch.h"
#include "ops/cuda/card_dropout.h"
#include "ops/cuda/device.cuh"
#include "test/emulator/emulated_kernels.h"
#include "test/testing.h"

namespace permafrost::card {

// A block a row; factors by way of shared memory.
template <typename X>
__global__ void scale_rows(GLOBAL(X) x, GLOBAL(const float) factors, i64 columns) {
  SHARED(float) factor = shared_memory<float>(0);
  if (threadIdx.x == 0) factor[0] = factors[blockIdx.x];
  __syncthreads();
  for (i64 i = threadIdx.x; i < columns; i += blockDim.x) {
    const X element = x[blockIdx.x * columns + i];
    x[blockIdx.x * columns + i] = to<X>(to_float(element) * factor[0]);
  }
}

__global__ void reverse(GLOBAL(float) x, i32 barrier) {
  SHARED(float) kept = shared_memory<float>(0);
  kept[threadIdx.x] = x[threadIdx.x];
  if (barrier == 1) __syncthreads();
  if (barrier == 2) __syncwarp();
  const u32 other = blockDim.x - 1 - threadIdx.x;
  if (barrier != 3) x[threadIdx.x] = kept[other];
  if (barrier == 3) kept[0] = 1.0f;
}

// Barriers that some threads do not reach, or that are not the same one.
__global__ void diverge(GLOBAL(float) x, i32 how) {
  if (how == 0 && threadIdx.x >= 32) return;
  if (how == 1 && threadIdx.x == 5) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  if (how == 2 && threadIdx.x % 32 == 7) return;
  x[threadIdx.x] = warp_sum(1.0f);
  if (how == 3) {
    if (threadIdx.x < 16) {
      x[threadIdx.x] = __shfl_xor_sync(kWarp, 1.0f, 1);
    } else {
      x[threadIdx.x] = __shfl_xor_sync(kWarp, 2.0f, 1);
    }
  }
}

__global__ void write_all(GLOBAL(float) x, i32 atomic) {
  if (atomic != 0) {
    atomicAdd(x, 1.0f);
  } else {
    x[threadIdx.x] = 1.0f;
  }
}

__global__ void unaligned(GLOBAL(float) x) { store_vector(x, 1, make_float4(1, 2, 3, 4)); }

// d[16][8] = a[16][16] b[8][16]^T by one warp. `wrong` mixes up two registers.
__global__ void multiply(GLOBAL(const bf16) a, GLOBAL(const bf16) b, GLOBAL(float) d, i32 wrong) {
  SHARED(bf16) rows = shared_memory<bf16>(0);
  const u32 lane = threadIdx.x;
  cp_async_16(rows + lane * 8, a + lane * 8);
  if (lane < 16) cp_async_16(rows + 256 + lane * 8, b + lane * 8);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  u32 of_a[4], of_b[2];
  ldmatrix_x4(of_a, rows + lane % 16 * 16 + lane / 16 * 8);
  ldmatrix_x2(of_b, rows + 256 + lane % 8 * 16 + lane / 8 % 2 * 8);
  if (wrong != 0) {
    const u32 other = of_a[1];
    of_a[1] = of_a[2];
    of_a[2] = other;
  }
  float sums[4] = {0, 0, 0, 0};
  mma_m16n8k16(sums, of_a, of_b);
  UNROLL
  for (u32 i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

__global__ void transpose(GLOBAL(const bf16) x, GLOBAL(u32) y) {
  SHARED(bf16) rows = shared_memory<bf16>(0);
  const u32 lane = threadIdx.x;
  store_vector(rows, lane * 8, load_vector<uint4>(x, lane * 8));
  __syncwarp();
  u32 registers[4];
  ldmatrix_x4_trans(registers, rows + lane * 8);
  for (u32 i = 0; i < 4; ++i) y[i * 32 + lane] = registers[i];
}

__global__ void draw(DropoutMask mask, GLOBAL(const u32) pass, GLOBAL(const i32) rows, GLOBAL(float) y, i64 columns) {
  const u32 number = mask_pass(mask, pass);
  for (i64 i = threadIdx.x; i < columns; i += blockDim.x) {
    y[blockIdx.x * columns + i] = mask_factor(mask, number, mask_row(rows, blockIdx.x), i);
  }
}

__global__ void round_to_bf16(GLOBAL(const float) x, GLOBAL(bf16) y) { y[threadIdx.x] = to_bf16(x[threadIdx.x]); }

}  // namespace permafrost::card

EMULATED_KERNEL(scale_rows<float>)
EMULATED_KERNEL(scale_rows<bf16>)
EMULATED_KERNEL(reverse)
EMULATED_KERNEL(diverge)
EMULATED_KERNEL(write_all)
EMULATED_KERNEL(unaligned)
EMULATED_KERNEL(multiply)
EMULATED_KERNEL(transpose)
EMULATED_KERNEL(draw)
EMULATED_KERNEL(round_to_bf16)

namespace permafrost {
namespace {

using testing::expect;

template <typename... Values>
void expect_fault(const std::string& wanted, const std::string& name, const LaunchShape& shape, const Values&... values) {
  EmulatedKernels kernels;
  try {
    kernels.launch(name, shape, values...);
  } catch (const emulator::KernelFault& fault) {
    const std::string message = fault.what();
    expect(message.find(wanted) != std::string::npos && message.find("kernel " + name) != std::string::npos,
           "expected '", wanted, "' in: ", message);
    return;
  }
  throw std::runtime_error("no fault; expected '" + wanted + "'");
}

TEST("emulator: a kernel computes on tensors of both types, a block a row") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    at::Tensor x = at::randn({5, 70}).to(type);
    const at::Tensor factors = at::randn({5});
    const at::Tensor wanted = (x.to(at::kFloat) * factors.unsqueeze(1)).to(type);
    EmulatedKernels kernels;
    const std::string name = type == at::kFloat ? "scale_rows<float>" : "scale_rows<bf16>";
    kernels.launch(name, {{5}, 64, 4}, x, factors, int64_t{70});
    expect(x.equal(wanted), name, " computes something else");
    expect(kernels.launches().at(name) == 1 && kernels.has(name) && !kernels.has("scale_rows<double>"), "launches");
    kernels.launch(name, {{0}, 64, 4}, x, factors, int64_t{70});
    expect(x.equal(wanted), "an empty grid has blocks");
  }
}

TEST("emulator: an access outside of a tensor, of shared memory or through null is found") {
  at::Tensor x = at::zeros({5, 70});
  const at::Tensor factors = at::ones({5});
  expect_fault("reads argument 1 outside: bytes 20 to 24 of 20", "scale_rows<float>", {{6}, 64, 4}, x, factors, int64_t{70});
  expect_fault("outside: bytes 1400 to 1404 of 1400", "scale_rows<float>", {{5}, 64, 4}, x, factors, int64_t{71});
  expect_fault("writes shared memory outside", "scale_rows<float>", {{5}, 64, 0}, x, factors, int64_t{70});
  expect_fault("null pointer", "scale_rows<float>", {{5}, 64, 4}, x, at::Tensor(), int64_t{70});
  expect_fault("not aligned", "unaligned", {{1}, 32}, x);
}

TEST("emulator: arguments of another number, kind or type than the kernel's are found") {
  at::Tensor x = at::zeros({5, 70});
  const at::Tensor factors = at::ones({5});
  expect_fault("2 arguments; it takes 3", "scale_rows<float>", {{5}, 64, 4}, x, factors);
  expect_fault("argument 2 is not of the type", "scale_rows<float>", {{5}, 64, 4}, x, factors, 70);
  expect_fault("argument 0 is a tensor of another type", "scale_rows<bf16>", {{5}, 64, 4}, x, factors, int64_t{70});
  expect_fault("argument 2 is a tensor where", "scale_rows<float>", {{5}, 64, 4}, x, factors, x);
  expect_fault("argument 1 is a number where", "scale_rows<float>", {{5}, 64, 4}, x, 1.0f, int64_t{70});
  expect_fault("multiple of 32", "scale_rows<float>", {{5}, 48, 4}, x, factors, int64_t{70});
  // A pointer of a kernel is the only one to what it writes.
  expect_fault("argument 1 is the memory of argument 0", "scale_rows<float>", {{1}, 64, 4}, x, x[4].slice(0, 60, 70), int64_t{70});
}

TEST("emulator: shared memory that is read without a barrier, or before it is written, is found") {
  at::Tensor x = at::arange(64, at::kFloat);
  const at::Tensor reversed = x.flip(0);
  EmulatedKernels kernels;
  kernels.launch("reverse", {{1}, 64, 256}, x, 1);
  expect(x.equal(reversed), "reversed otherwise");
  expect_fault("has written", "reverse", {{1}, 64, 256}, x, 0);
  // Within a warp its own barrier is enough, across warps it is not.
  kernels.launch("reverse", {{1}, 32, 128}, x, 2);
  expect_fault("", "reverse", {{1}, 64, 256}, x, 2);
  expect_fault("wrote without a barrier between", "reverse", {{1}, 32, 128}, x, 3);
}

TEST("emulator: threads that do not meet are reported, and not waited for") {
  at::Tensor x = at::zeros({64});
  EmulatedKernels kernels;
  kernels.launch("diverge", {{1}, 64}, x, 9);
  expect(x.equal(at::full({64}, 32.0f)), "sums of warps");
  expect_fault("thread 32 has ended", "diverge", {{1}, 64}, x, 0);
  expect_fault("threads do not meet: thread 0 waits at __syncthreads", "diverge", {{1}, 64}, x, 1);
  expect_fault("thread 7 has ended", "diverge", {{1}, 64}, x, 2);
  expect_fault("lanes do not meet", "diverge", {{1}, 64}, x, 3);
}

TEST("emulator: blocks that write the same element are found, unless they add to it") {
  at::Tensor x = at::zeros({64});
  expect_fault("another block wrote", "write_all", {{2}, 64}, x, 0);
  EmulatedKernels kernels;
  x.zero_();
  kernels.launch("write_all", {{3}, 64}, x, 1);
  expect(x[0].item<float>() == 192, "a sum of ", x[0].item<float>());
}

TEST("emulator: mma.sync and ldmatrix follow the documented fragments") {
  const at::Tensor a = at::randn({16, 16}).to(at::kBFloat16), b = at::randn({8, 16}).to(at::kBFloat16);
  const at::Tensor wanted = at::mm(a.to(at::kFloat), b.to(at::kFloat).t());
  at::Tensor d = at::zeros({16, 8});
  EmulatedKernels kernels;
  kernels.launch("multiply", {{1}, 32, 768}, a, b, d, 0);
  expect(d.allclose(wanted, 1e-5, 1e-5), "the product differs by ", (d - wanted).abs().max().item<float>());
  kernels.launch("multiply", {{1}, 32, 768}, a, b, d, 1);
  expect(!d.allclose(wanted, 1e-2, 1e-2), "a wrong fragment makes no difference");

  const at::Tensor x = at::arange(256, at::kFloat).to(at::kBFloat16);
  at::Tensor y = at::zeros({4, 32}, at::kInt);
  kernels.launch("transpose", {{1}, 32, 512}, x, y);
  const at::Tensor transposed = x.view({4, 8, 8}).transpose(1, 2).contiguous().view({-1});
  expect(y.view({-1}).view(at::kBFloat16).equal(transposed), "a transposed load differs");
}

TEST("emulator: masks of a kernel are those of the CPU, by numbers on the device or of the launch") {
  Dropout dropout;
  dropout.probability = 0.3;
  dropout.seed = 0x123456789abcdef0ull;
  dropout.pass = 7;
  dropout.site = 12;
  const std::vector<int32_t> rows = {3, 0, 900};
  const uint32_t other_pass = 8;
  EmulatedKernels kernels;
  for (const bool on_device : {false, true}) {
    Dropout expected = dropout;
    if (on_device) {
      dropout.device_pass = &other_pass;
      dropout.device_rows = rows.data();
      expected.pass = other_pass;
      expected.rows = rows.data();
    }
    at::Tensor y = at::zeros({3, 300});
    kernels.launch("draw", {{3}, 64}, mask_of(dropout), pass_of(dropout), rows_of(dropout, 3), y, int64_t{300});
    for (int64_t row = 0; row < 3; ++row) {
      for (int64_t column = 0; column < 300; ++column) {
        const float wanted = mask_factor(expected, expected.row(row), column);
        expect(y[row][column].item<float>() == wanted, "row ", row, ", column ", column);
      }
    }
  }
}

TEST("emulator: numbers are rounded to bf16 as libtorch rounds them") {
  at::Tensor x = at::randn({256});
  x[0] = 1.0f + 1.0f / 256;
  x[1] = 1.0f + 3.0f / 256;
  x[2] = std::numeric_limits<float>::infinity();
  x[3] = std::numeric_limits<float>::max();
  x[4] = std::numeric_limits<float>::quiet_NaN();
  x[5] = -1e-45f;
  at::Tensor y = at::zeros({256}).to(at::kBFloat16);
  EmulatedKernels kernels;
  kernels.launch("round_to_bf16", {{1}, 256}, x, y);
  const at::Tensor wanted = x.to(at::kBFloat16);
  expect(at::allclose(y.to(at::kFloat), wanted.to(at::kFloat), 0, 0, true), "rounded otherwise");
}

}  // namespace
}  // namespace permafrost
