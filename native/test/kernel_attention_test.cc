// Attention of a card within short sequences, on the emulator, against the plain operations.
#include <algorithm>

#include "ops/cuda/attention.cuh"
#include "ops/cuda/kernel_attention.h"
#include "ops/plain/mask.h"
#include "ops/plain/plain_ops.h"
#include "test/emulator/emulated_kernels.h"
#include "test/testing.h"

EMULATED_KERNEL(attention_forward<32>)
EMULATED_KERNEL(attention_forward<64>)
EMULATED_KERNEL(attention_forward<128>)
EMULATED_KERNEL(attention_backward<32>)
EMULATED_KERNEL(attention_backward<64>)
EMULATED_KERNEL(attention_backward<128>)

namespace permafrost {
namespace {

using testing::expect;

// Lengths around the edges of tiles, of what a warp takes alone and of what a block takes, short beside long ones, and
// borders repeated at the end.
const std::vector<int32_t> kLengths = {1, 128, 15, 16, 17, 2, 33, 31, 127, 32, 64, 48, 5, 0, 0};

struct Case {
  int64_t num_heads, head_size;
  Dropout dropout;
  bool has_bias = false;
  // Enough sequences of one to three tokens more that a block takes four.
  bool is_many = false;
};

constexpr int64_t kMostTokens = 1000;

struct Attention {
  std::vector<int32_t> borders{0}, rows;
  PackedBatch batch;
  at::Tensor qkv_T3H, bias_3H, dy_TH;  // bf16
  Case kind;

  explicit Attention(const Case& kind) : kind(kind) {
    for (const int32_t length : kLengths) borders.push_back(borders.back() + length);
    for (int32_t i = 0; kind.is_many && i < 512 / kind.num_heads; ++i) borders.push_back(borders.back() + 1 + i % 3);
    if (kind.is_many) borders.push_back(borders.back());
    const int64_t T = borders.back(), H = kind.num_heads * kind.head_size;
    batch.cu_seqlens = borders;
    batch.input_ids.resize(static_cast<size_t>(T), 1);
    // Rows of a share of a larger batch.
    for (int32_t t = 0; t < T; ++t) rows.push_back(3 * t + 1000);
    at::manual_seed(5);
    qkv_T3H = at::randn({kMostTokens, 3 * H}).slice(0, 0, T).to(at::kBFloat16);
    bias_3H = at::randn({3 * H}).to(at::kBFloat16);
    dy_TH = at::randn({kMostTokens, H}).slice(0, 0, T).to(at::kBFloat16);
  }

  Dropout dropout() const {
    Dropout dropout = kind.dropout;
    dropout.rows = dropout.device_rows = rows.data();
    return dropout;
  }
};

struct Results {
  at::Tensor qkv_T3H, y_TH, lse_TN, dqkv_T3H;
};

// `attention` and `backward` as members of Ops, or the kernels' host side. Results are NaN where nobody writes.
template <typename Forward, typename Backward>
Results compute(const Attention& given, const PackedBatch& packed, at::ScalarType type, const Forward& forward,
                const Backward& backward) {
  const BatchTensors batch(packed, -1, at::kCPU);
  const auto like = [&](at::IntArrayRef shape, at::ScalarType of) {
    return at::full(shape, std::nan(""), at::TensorOptions(of));
  };
  Results results{given.qkv_T3H.to(type, false, true), like(given.dy_TH.sizes(), type),
                  like({given.dy_TH.size(0), given.kind.num_heads}, at::kFloat), like(given.qkv_T3H.sizes(), type)};
  const at::Tensor bias = given.kind.has_bias ? given.bias_3H.to(type) : at::Tensor();
  forward(batch, results.qkv_T3H, bias, given.kind.num_heads, given.dropout(), results.y_TH, results.lse_TN);
  backward(batch, given.dy_TH.to(type), results.qkv_T3H, results.y_TH, results.lse_TN, given.kind.num_heads,
           given.dropout(), results.dqkv_T3H);
  return results;
}

Results compute_plain(const Attention& given) {
  PlainOps ops;
  PackedBatch packed = given.batch;  // without the empty sequences
  packed.cu_seqlens.erase(std::unique(packed.cu_seqlens.begin(), packed.cu_seqlens.end()), packed.cu_seqlens.end());
  return compute(
      given, packed, at::kFloat, [&](auto&&... arguments) { ops.attention(arguments...); },
      [&](auto&&... arguments) { ops.attention_backward(arguments...); });
}

Results compute_emulated(const Attention& given, EmulatedKernels& kernels) {
  return compute(
      given, given.batch, at::kBFloat16, [&](auto&&... arguments) { kernel_attention(kernels, arguments...); },
      [&](auto&&... arguments) { kernel_attention_backward(kernels, arguments...); });
}

constexpr double kRounding = 1.02 / 256;  // of a number to bf16, and a little for the sums in fp32

// What rounding can do at most to the gradients of queries and keys, given what it can do to y: it enters by y's inner
// product with dy, by the gradients of the scores and by the results.
at::Tensor limits_of_queries_and_keys(const Attention& given, const Results& expected, const at::Tensor& limit_of_y_TH) {
  const int64_t N = given.kind.num_heads, D = given.kind.head_size, H = N * D;
  const double scale = 1.0 / std::sqrt(static_cast<double>(D));
  const at::Tensor limits_T2H = expected.dqkv_T3H.slice(1, 0, 2 * H).abs() * kRounding + 1e-5;
  for (size_t s = 0; s + 1 < given.borders.size(); ++s) {
    const int64_t begin = given.borders[s], n = given.borders[s + 1] - begin;
    if (n == 0) continue;
    const auto heads = [&](const at::Tensor& x, int64_t part) {
      const at::Tensor rows = x.slice(0, begin, begin + n).slice(1, part * H, (part + 1) * H);
      return rows.to(at::kFloat).reshape({n, N, D}).transpose(0, 1);
    };
    const at::Tensor query = heads(expected.qkv_T3H, 0), key = heads(expected.qkv_T3H, 1), dy = heads(given.dy_TH, 0);
    const at::Tensor lse = expected.lse_TN.slice(0, begin, begin + n).t().unsqueeze(2);
    const at::Tensor weights = (at::matmul(query, key.transpose(1, 2)) * scale - lse).exp();
    at::Tensor dweights = at::matmul(dy, heads(expected.qkv_T3H, 2).transpose(1, 2));
    Dropout dropout = given.dropout();
    const int64_t row = dropout.row(begin) * N;
    dropout.rows = nullptr;
    if (dropout.on()) dweights.mul_(dropout_factors(dropout, N, n * n, row, at::kCPU).view({N, n, n}));
    const at::Tensor inner = (weights * dweights).sum(2, true);
    const at::Tensor limit_of_inner = (dy.abs() * heads(limit_of_y_TH, 0)).sum(2, true);
    const at::Tensor limits = weights * (((dweights - inner).abs() * kRounding) + limit_of_inner) * scale;
    const auto add = [&](int64_t part, const at::Tensor& limit) {
      at::Tensor rows = limits_T2H.slice(0, begin, begin + n).slice(1, part * H, (part + 1) * H);
      rows.add_(limit.transpose(0, 1).reshape({n, H}));
    };
    add(0, at::matmul(limits, key.abs()));
    add(1, at::matmul(limits.transpose(1, 2), query.abs()));
  }
  return limits_T2H;
}

// The largest |actual - expected| / limit.
double excess(const at::Tensor& actual, const at::Tensor& expected, const at::Tensor& limit) {
  const at::Tensor ratio = (actual.to(at::kFloat) - expected).abs() / limit;
  return ratio.isnan().any().item<bool>() ? std::nan("") : ratio.max().item<double>();
}

void compare(const Case& kind) {
  const c10::InferenceMode inference;
  const Attention given(kind);
  EmulatedKernels kernels;
  const Results actual = compute_emulated(given, kernels);
  // Both start from the same numbers: the bias is added in bf16.
  Attention summed = given;
  summed.qkv_T3H = actual.qkv_T3H;
  summed.kind.has_bias = false;
  const Results expected = compute_plain(summed);
  if (kind.has_bias) {
    expect(actual.qkv_T3H.equal(given.qkv_T3H + given.bias_3H), "the bias is not added to queries, keys and values");
  } else {
    expect(actual.qkv_T3H.equal(given.qkv_T3H), "queries, keys and values have changed");
  }
  // What rounding of the weights and of the result can do at most: a bound, not a guess.
  Attention absolute = summed;
  const int64_t H = summed.dy_TH.size(1);
  absolute.qkv_T3H = absolute.qkv_T3H.clone();
  absolute.qkv_T3H.slice(1, 2 * H).abs_();
  absolute.dy_TH = absolute.dy_TH.abs();
  const Results sums = compute_plain(absolute);
  const auto limit = [&](const at::Tensor& sum, const at::Tensor& value) {
    return (sum + value.abs()) * kRounding + 1e-5;
  };
  const at::Tensor limit_of_y_TH = limit(sums.y_TH, expected.y_TH);
  const double y = excess(actual.y_TH, expected.y_TH, limit_of_y_TH);
  expect(y <= 1, "y differs by ", y, " of the bound");
  const double lse = (actual.lse_TN - expected.lse_TN).abs().max().item<double>();
  expect(lse <= 5e-6, "the log-sum-exp differs by ", lse);
  const auto values = [&](const Results& of) { return of.dqkv_T3H.slice(1, 2 * H); };
  const double dvalue = excess(values(actual), values(expected), limit(values(sums), values(expected)));
  expect(dvalue <= 1, "gradients of values differ by ", dvalue, " of the bound");
  const auto others = [&](const Results& of) { return of.dqkv_T3H.slice(1, 0, 2 * H); };
  const double other =
      excess(others(actual), others(expected), limits_of_queries_and_keys(summed, expected, limit_of_y_TH));
  expect(other <= 1, "gradients of queries and keys differ by ", other, " of the bound");
}

const Dropout kOff{};
const Dropout kOn{0.25, 0x123456789abcdefull, 5, 12};

TEST("attention of a card equals the plain one, heads of 32") { compare({3, 32, kOff}); }
TEST("attention of a card equals the plain one, heads of 32, with dropout, many sequences") {
  compare({3, 32, kOn, false, true});
}
TEST("attention of a card equals the plain one, heads of 64") { compare({2, 64, kOff}); }
TEST("attention of a card equals the plain one, heads of 64, with dropout and a bias") { compare({2, 64, kOn, true}); }
TEST("attention of a card equals the plain one, heads of 128, with dropout") { compare({1, 128, kOn}); }

TEST("attention of a card gives a sequence the same bits among few others and among many") {
  const c10::InferenceMode inference;
  EmulatedKernels kernels;
  const Results few = compute_emulated(Attention({3, 32, kOn}), kernels);
  const Results many = compute_emulated(Attention({3, 32, kOn, false, true}), kernels);
  const int64_t T = few.y_TH.size(0);
  expect(many.y_TH.slice(0, 0, T).equal(few.y_TH), "y differs");
  expect(many.lse_TN.slice(0, 0, T).equal(few.lse_TN), "the log-sum-exp differs");
  expect(many.dqkv_T3H.slice(0, 0, T).equal(few.dqkv_T3H), "gradients differ");
}

TEST("attention of a card has kernels for heads of 32, 64 and 128 and sequences of at most 128 tokens") {
  for (const int64_t size : {32, 64, 128}) {
    for (const std::string& name : attention_source(size).names) expect(EmulatedKernels().has(name), name, " is missing");
  }
  expect(attention_source(48).names.empty(), "heads of 48 have no kernels");
  expect(attention_is_short(128) && !attention_is_short(129), "128 tokens are the limit");
}

}  // namespace
}  // namespace permafrost
