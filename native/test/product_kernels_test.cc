// Our own matrix products on every instruction level that this processor has, held against sums in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "ops/cpu/bf16.h"
#include "ops/cpu/kernels.h"
#include "test/testing.h"

namespace permafrost {

namespace {

using testing::expect;

struct Level {
  const char* name;
  const CpuKernels* kernels;
};

std::vector<Level> levels() {
  std::vector<Level> result;
  for (const char* name : {"baseline", "avx2", "avx512", "avx512bf16"}) {
    if (const CpuKernels* kernels = cpu_kernels_of(name)) result.push_back({name, kernels});
  }
  return result;
}

bf16 rounded(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

double widened(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// Numbers of one type. In bf16 they are rounded when they are set.
class Numbers {
 public:
  Numbers(Number type, int64_t count)
      : type_(type), fp32_(static_cast<size_t>(count)), bf16_(static_cast<size_t>(count)) {}
  Numbers(Number type, int64_t count, std::mt19937& random) : Numbers(type, count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (size_t i = 0; i < fp32_.size(); ++i) {
      fp32_[i] = uniform(random);
      bf16_[i] = rounded(fp32_[i]);
    }
  }

  void* data() { return type_ == Number::fp32 ? static_cast<void*>(fp32_.data()) : static_cast<void*>(bf16_.data()); }
  double operator[](int64_t i) const {
    const auto index = static_cast<size_t>(i);
    return type_ == Number::fp32 ? fp32_[index] : widened(bf16_[index]);
  }
  Number type() const { return type_; }
  bool same_bits(const Numbers& other) const {
    return std::memcmp(fp32_.data(), other.fp32_.data(), fp32_.size() * sizeof(float)) == 0 &&
           std::memcmp(bf16_.data(), other.bf16_.data(), bf16_.size() * sizeof(bf16)) == 0;
  }

 private:
  Number type_;
  std::vector<float> fp32_;
  std::vector<bf16> bf16_;
};

void multiply(const CpuKernels& kernels, const Product& product) {
  std::vector<float> scratch(static_cast<size_t>(kernels.product_scratch(product, 2)));
  kernels.product(product, scratch.data());
}

std::vector<float> pack(const CpuKernels& kernels, const Product& p) {
  std::vector<float> packed(static_cast<size_t>(kernels.packed_product(p.factors, p.N, p.K)));
  kernels.pack_product(p.factors, p.b, p.b_row, p.b_column, p.N, p.K, packed.data());
  return packed;
}

double activated(int kind, double x) {
  if (kind == 0) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  if (kind == 1) return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  if (kind == 2) return std::max(x, 0.0);
  return x;
}

// The three products of a linear map with a weight W[O, I], named after what they give.
enum class Map { y, dx, dweight };

struct Case {
  Map map;
  int64_t T, I, O;
  Number factors, result;
  bool add, bias;
  int activation;
};

// C is a part of a wider matrix, in which nothing else may change; A is one of a wider one, too.
void check(const Level& level, const Case& c, std::mt19937& random) {
  const bool of_weight = c.map == Map::dweight;
  const int64_t M = of_weight ? c.O : c.T, K = of_weight ? c.T : c.map == Map::y ? c.I : c.O;
  const int64_t N = c.map == Map::y ? c.O : c.I;
  const int64_t apart = 3;
  const int64_t a_width = (of_weight ? M : K) + apart, c_row = N + apart;
  Numbers a(c.factors, (of_weight ? K : M) * a_width, random), b(c.factors, N * K, random);
  Numbers start(c.result, M * c_row, random);
  Numbers bias(Number::fp32, N, random);
  Product p{M, N, K, a.data(), of_weight ? 1 : a_width, of_weight ? a_width : 1, b.data(), c.map == Map::y ? 1 : N,
            c.map == Map::y ? K : 1, nullptr, c_row};
  p.add = c.add;
  p.factors = c.factors;
  p.result = c.result;
  if (c.bias) p.bias = static_cast<const float*>(bias.data());
  p.activation = c.activation;
  Numbers plain = start, pre(c.result, M * c_row);
  p.c = plain.data();
  if (c.activation >= 0) p.pre = pre.data();
  multiply(*level.kernels, p);
  Numbers by_panels = start;
  p.c = by_panels.data();
  const std::vector<float> packed = pack(*level.kernels, p);
  p.packed = packed.data();
  p.b = nullptr;
  multiply(*level.kernels, p);
  expect(plain.same_bits(by_panels), level.name, ": packing changes a product of ", M, " x ", K, " x ", N);

  const double unit = c.result == Number::fp32 ? 1e-6 : 1.0 / 256;
  for (int64_t m = 0; m < M; ++m) {
    // Of many rows some around the edges of what is computed together.
    if (M > 30 && m % 24 > 1 && m + 2 < M) continue;
    for (int64_t n = 0; n < c_row; ++n) {
      const int64_t at = m * c_row + n;
      if (n >= N) {
        expect(plain[at] == start[at], level.name, ": wrote beyond a row of C");
        continue;
      }
      double sum = c.add ? start[at] : 0, size = std::fabs(sum) + 1;
      for (int64_t k = 0; k < K; ++k) {
        const double term = a[m * p.a_row + k * p.a_column] * b[k * p.b_row + n * p.b_column];
        sum += term;
        size += std::fabs(term);
      }
      if (c.bias) sum += bias[n];
      const double allowed = 1e-6 * size + unit * std::fabs(sum);
      const double wanted = activated(c.activation, sum);
      expect(std::fabs(plain[at] - wanted) <= 1.2 * allowed + unit, level.name, ": ", M, " x ", K, " x ", N, " at ", m,
             ", ", n, ": ", plain[at], ", not ", wanted);
      if (c.activation < 0) continue;
      expect(std::fabs(pre[at] - sum) <= allowed, level.name, ": before the activation ", pre[at], ", not ", sum);
    }
  }
}

constexpr int64_t kShapes[][3] = {{1, 1, 1},     {1, 7, 5},     {5, 16, 33},   {6, 32, 16},  {13, 31, 64},
                                  {97, 9, 70},   {25, 65, 15},  {24, 257, 34}, {3, 800, 17}, {2, 520, 600},
                                  {100, 530, 520}};

}  // namespace

TEST("our products equal sums in double: every level, type, shape, orientation and end") {
  std::mt19937 random(5);
  for (const Level& level : levels()) {
    for (const auto& [T, I, O] : kShapes) {
      for (const Map map : {Map::y, Map::dx, Map::dweight}) {
        // The largest shape, which is divided by columns and depth, costs the most.
        const bool large = T * I * O > 1 << 22;
        for (const Number factors : {Number::fp32, Number::bf16}) {
          for (const Number result : {Number::fp32, Number::bf16}) {
            if (large && factors != result) continue;
            check(level, {map, T, I, O, factors, result, false, false, -1}, random);
            check(level, {map, T, I, O, factors, result, true, false, -1}, random);
            if (large || map != Map::y) continue;
            check(level, {map, T, I, O, factors, result, false, true, -1}, random);
            for (const int activation : {0, 1, 2}) {
              check(level, {map, T, I, O, factors, result, false, true, activation}, random);
            }
          }
        }
      }
    }
  }
}

TEST("our products give a row the same bits whatever the rows beside it and whatever the columns") {
  std::mt19937 random(6);
  const int64_t T = 101, K = 900, N = 300;
  for (const Level& level : levels()) {
    for (const Number type : {Number::fp32, Number::bf16}) {
      Numbers a(type, T * K, random), b(type, N * K, random), all(type, T * N);
      Product p{T, N, K, a.data(), K, 1, b.data(), 1, K, all.data(), N};
      p.factors = p.result = type;
      multiply(*level.kernels, p);
      const size_t bytes = type == Number::fp32 ? sizeof(float) : sizeof(bf16);
      const std::array<int64_t, 3> parts[] = {{0, 1, N}, {7, 6, N}, {30, 64, N}, {100, 1, 33}};
      for (const auto& [first, rows, columns] : parts) {
        Numbers some(type, rows * columns);
        Product part = p;
        part.M = rows;
        part.N = columns;
        part.a = static_cast<const char*>(a.data()) + static_cast<size_t>(first * K) * bytes;
        part.c = some.data();
        part.c_row = columns;
        multiply(*level.kernels, part);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t n = 0; n < columns; ++n) {
            expect(some[r * columns + n] == all[(first + r) * N + n], level.name, ": row ", first + r, " of ", rows,
                   " has other bits");
          }
        }
      }
    }
  }
}

}  // namespace permafrost
