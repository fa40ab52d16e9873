// What every kernel file includes first, and the only file that knows in which world it is compiled: by NVRTC for a
// card, without any header, or by a C++ compiler for the emulator of the tests.
//
// How a kernel is written:
//
//   #include "ops/cuda/device.cuh"
//   namespace permafrost::card {
//   template <typename X>
//   __global__ void scale_rows(GLOBAL(X) x, GLOBAL(const float) factors, i64 rows, i64 columns) {
//     SHARED(float) cache = shared_memory<float>(0);           // byte offset into the dynamic shared memory
//     for (i64 i = threadIdx.x; i < columns; i += blockDim.x) store_float(x, i, load_float(x, i) * factors[blockIdx.x]);
//   }
//   }
//
// - Pointers are GLOBAL(T) (parameters) and SHARED(T); both index, add an integer, and are true where not null.
//   An element read goes into a variable with a named type (`float v = p[i]`), never `auto`; elements that are structs
//   are read whole. `load_vector<uint4>(p, i)` and `store_vector(p, i, v)` move 4, 8 or 16 aligned bytes from element i on.
// - No __shared__ variables, no warp intrinsics but those below, no #include but this and ops/cuda/arguments.h.
// - Functions are `DEVICE`. Blocks are of one dimension, a multiple of 32 threads. Loops over registers are `UNROLL`ed.
// - Every thread of a block meets every __syncthreads, every lane of the mask every shuffle, mma and ldmatrix: a thread
//   that has nothing to do goes along. Blocks of a launch see nothing of each other, but what they add by atomicAdd.
// - Between a write to shared memory and another thread's access stands __syncthreads, or __syncwarp within a warp.
//   The emulator reports what is missing, as it reports accesses outside of a tensor or of the shared memory, and shared
//   memory that is read before anybody wrote it.
#pragma once

#include "ops/cuda/arguments.h"

#ifndef __CUDACC_RTC__
#include "test/emulator/cuda.h"
#endif

namespace permafrost::card {

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;

// The upper half of an fp32 number.
struct bf16 {
  u16 bits;
};

#ifdef __CUDACC_RTC__

#define DEVICE __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define GLOBAL(...) __VA_ARGS__* __restrict__
#define SHARED(...) __VA_ARGS__*

template <typename T>
DEVICE T* shared_memory(u32 byte_offset) {
  extern __shared__ __align__(128) unsigned char dynamic_shared_memory[];
  return reinterpret_cast<T*>(dynamic_shared_memory + byte_offset);
}

template <typename V, typename T>
DEVICE V load_vector(const T* pointer, i64 element) {
  return *reinterpret_cast<const V*>(pointer + element);
}
template <typename V, typename T>
DEVICE void store_vector(T* pointer, i64 element, const V& value) {
  *reinterpret_cast<V*>(pointer + element) = value;
}
// `elements` elements at an address that came as a number, such as one of a table of tensors.
template <typename T>
DEVICE T* pointer_at(u64 address, i64) {
  return static_cast<T*>(__cvta_global_to_generic(address));  // which says that it is global memory
}

// d += a b for a[16][16] and b[16][8] of bf16 and d[16][8] of fp32. Lane l, g = l / 4, t = l % 4, holds
//   a: rows g, g + 8, g, g + 8, columns 2t, 2t, 2t + 8, 2t + 8 and the next one, the first in the lower half of a register
//   b: rows 2t and 2t + 8 and the next one, column g        d: rows g, g, g + 8, g + 8, columns 2t, 2t + 1, 2t, 2t + 1
DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

// Four (two) 8x8 matrices of bf16: lane l gives the address of row l % 8, 16 bytes aligned, of matrix l / 8, and gets
// of each matrix row l / 4, columns 2 (l % 4) and the next one; with _trans of the transposed matrix.
DEVICE void ldmatrix_x4(u32 (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
DEVICE void ldmatrix_x2(u32 (&r)[2], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}
DEVICE void ldmatrix_x2_trans(u32 (&r)[2], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}

// Copies 16 aligned bytes from global to shared memory without waiting; what is copied can be read after
// cp_async_wait<N>, which leaves the last N commits under way, and, by other threads, after a barrier behind it.
template <typename T>
DEVICE void cp_async_16(T* to, const T* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(shared_address(to)), "l"(from) : "memory");
}
DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int kLeft>
DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kLeft) : "memory");
}

// 16 aligned bytes at once, where the compiler would split store_vector.
template <typename T>
DEVICE void store_16(T* pointer, i64 element, const uint4& value) {
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};\n" ::"l"(__cvta_generic_to_global(pointer + element)),
               "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w)
               : "memory");
}

// 2^x, good to two units in the last place.
DEVICE float power_of_two(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(power) : "f"(x));
  return power;
}

// Two numbers rounded to bf16, nearest even, the first in the lower half.
DEVICE u32 pack_bf16(float low, float high) {
  u32 packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

#else

using emulator::Pointer;
using emulator::load_vector;
using emulator::pointer_at;
using emulator::shared_memory;
using emulator::store_vector;

#define GLOBAL(...) ::permafrost::emulator::Pointer<__VA_ARGS__>
#define SHARED(...) ::permafrost::emulator::Pointer<__VA_ARGS__>

DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], EMULATOR_SITE) {
  emulator::mma_m16n8k16(d, a, b, EMULATOR_HERE);
}
DEVICE void ldmatrix_x4(u32 (&r)[4], Pointer<const bf16> row, EMULATOR_SITE) {
  emulator::ldmatrix(r, 4, row, false, EMULATOR_HERE);
}
DEVICE void ldmatrix_x4_trans(u32 (&r)[4], Pointer<const bf16> row, EMULATOR_SITE) {
  emulator::ldmatrix(r, 4, row, true, EMULATOR_HERE);
}
DEVICE void ldmatrix_x2(u32 (&r)[2], Pointer<const bf16> row, EMULATOR_SITE) {
  emulator::ldmatrix(r, 2, row, false, EMULATOR_HERE);
}
DEVICE void ldmatrix_x2_trans(u32 (&r)[2], Pointer<const bf16> row, EMULATOR_SITE) {
  emulator::ldmatrix(r, 2, row, true, EMULATOR_HERE);
}
template <typename T>
DEVICE void cp_async_16(Pointer<T> to, Pointer<const T> from) {
  emulator::cp_async(to.template as<char>(), from.template as<const char>(), 16);
}
template <typename T>
DEVICE void cp_async_16(Pointer<T> to, Pointer<T> from) {
  cp_async_16(to, Pointer<const T>(from));
}
DEVICE void cp_async_commit() { emulator::cp_async_commit(); }
template <int kLeft>
DEVICE void cp_async_wait() {
  emulator::cp_async_wait(kLeft);
}

template <typename T>
DEVICE void store_16(Pointer<T> pointer, i64 element, const uint4& value) {
  store_vector(pointer, element, value);
}

DEVICE float power_of_two(float x) { return exp2f(x); }

DEVICE u32 pack_bf16(float low, float high) {
  const auto round = [](float value) -> u32 {
    const u32 bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  };
  return round(high) << 16 | round(low);
}

#endif

DEVICE float to_float(bf16 x) { return __uint_as_float(static_cast<u32>(x.bits) << 16); }
DEVICE float to_float(float x) { return x; }
DEVICE float low_half(u32 packed) { return __uint_as_float(packed << 16); }
DEVICE float high_half(u32 packed) { return __uint_as_float(packed & 0xffff0000u); }
// Nearest even.
DEVICE bf16 to_bf16(float x) { return {static_cast<u16>(pack_bf16(x, 0.0f) & 0xffff)}; }

// A number rounded to the type of the activations.
template <typename X>
DEVICE X to(float x);
template <>
DEVICE float to<float>(float x) {
  return x;
}
template <>
DEVICE bf16 to<bf16>(float x) {
  return to_bf16(x);
}

DEVICE float infinity() { return __uint_as_float(0x7f800000u); }

constexpr u32 kWarp = 0xffffffffu;

// Of all 32 lanes, to each of them, in the same order for each.
DEVICE float warp_sum(float x) {
  UNROLL
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(kWarp, x, distance);
  return x;
}
DEVICE float warp_max(float x) {
  UNROLL
  for (int distance = 16; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(kWarp, x, distance));
  return x;
}

// The same masks as ops/dropout.h, to the bit. A recorded step reads the number of its pass on the device.
DEVICE u32 mask_pass(const DropoutMask& mask, GLOBAL(const u32) device_pass) {
  return device_pass ? device_pass[0] : mask.pass;
}
DEVICE u32 mask_row(GLOBAL(const i32) rows, i64 index) {
  return static_cast<u32>(rows ? static_cast<i64>(rows[index]) : index);
}

// Of columns 128 group + 32 w + 16 h + lane, w < 4, h < 2, lane < 16: half h of word w.
DEVICE void mask_words(const DropoutMask& mask, u32 pass, u32 row, u32 group, u32 lane, u32 (&word)[4]) {
  u32 key0 = mask.key0, key1 = mask.key1;
  word[0] = group * 16 + lane;
  word[1] = row;
  word[2] = mask.site;
  word[3] = pass;
  UNROLL
  for (int round = 0; round < 7; ++round) {
    const u32 high0 = __umulhi(0xD2511F53u, word[0]), low0 = 0xD2511F53u * word[0];
    const u32 high1 = __umulhi(0xCD9E8D57u, word[2]), low1 = 0xCD9E8D57u * word[2];
    word[0] = high1 ^ word[1] ^ key0;
    word[1] = low1;
    word[2] = high0 ^ word[3] ^ key1;
    word[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// What the element is multiplied by: 0, or the scale. Draws a whole counter: where a thread owns columns of one counter,
// mask_words costs an eighth.
DEVICE float mask_factor(const DropoutMask& mask, u32 pass, u32 row, i64 column) {
  u32 word[4];
  const u32 within = static_cast<u32>(column % 128);
  mask_words(mask, pass, row, static_cast<u32>(column / 128), within % 16, word);
  const u32 which = within / 32;
  const u32 picked = which == 0 ? word[0] : which == 1 ? word[1] : which == 2 ? word[2] : word[3];
  const u32 bits = picked >> (within / 16 % 2 * 16) & 0xffff;
  return bits < mask.threshold ? 0.0f : mask.scale;
}

}  // namespace permafrost::card
