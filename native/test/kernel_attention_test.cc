// Attention of a card within short sequences, on the emulator, against the plain operations.
#include <algorithm>

#include "ops/cuda/attention.cuh"
#include "ops/cuda/kernel_attention.h"
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
};

struct Attention {
  std::vector<int32_t> borders{0}, rows;
  PackedBatch batch;
  at::Tensor qkv_T3H, bias_3H, dy_TH;  // bf16
  Case kind;

  explicit Attention(const Case& kind) : kind(kind) {
    for (const int32_t length : kLengths) borders.push_back(borders.back() + length);
    const int64_t T = borders.back(), H = kind.num_heads * kind.head_size;
    batch.cu_seqlens = borders;
    batch.input_ids.resize(static_cast<size_t>(T), 1);
    // Rows of a share of a larger batch.
    for (int32_t t = 0; t < T; ++t) rows.push_back(3 * t + 1000);
    at::manual_seed(5);
    qkv_T3H = at::randn({T, 3 * H}).to(at::kBFloat16);
    bias_3H = at::randn({3 * H}).to(at::kBFloat16);
    dy_TH = at::randn({T, H}).to(at::kBFloat16);
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
  const auto like = [&](at::IntArrayRef shape, at::ScalarType of) { return at::full(shape, std::nan(""), at::TensorOptions(of)); };
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
  packed.cu_seqlens.erase(std::find(packed.cu_seqlens.begin(), packed.cu_seqlens.end(), packed.num_tokens()) + 1,
                          packed.cu_seqlens.end());
  return compute(
      given, packed, at::kFloat, [&](auto&&... arguments) { ops.attention(arguments...); },
      [&](auto&&... arguments) { ops.attention_backward(arguments...); });
}

Results compute_emulated(const Attention& given, EmulatedKernels& kernels) {
  return compute(
      given, given.batch, at::kBFloat16, [&](auto&&... arguments) { kernel_attention(kernels, arguments...); },
      [&](auto&&... arguments) { kernel_attention_backward(kernels, arguments...); });
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
  // What rounding to bf16, by 2^-8 at most, does to the weights and to the result: a bound, not a guess.
  Attention absolute = summed;
  const int64_t H = summed.dy_TH.size(1);
  absolute.qkv_T3H = absolute.qkv_T3H.clone();
  absolute.qkv_T3H.slice(1, 2 * H).abs_();
  absolute.dy_TH = absolute.dy_TH.abs();
  const Results sums = compute_plain(absolute);
  constexpr double kRounding = 1.02 / 256;
  const auto bound = [&](const at::Tensor& sum, const at::Tensor& value) { return (sum + value.abs()) * kRounding + 1e-5; };
  const auto values = [&](const Results& of) { return of.dqkv_T3H.slice(1, 2 * H); };
  const double y = excess(actual.y_TH, expected.y_TH, bound(sums.y_TH, expected.y_TH));
  expect(y <= 1, "y differs by ", y, " of the bound");
  const double dvalue = excess(values(actual), values(expected), bound(values(sums), values(expected)));
  expect(dvalue <= 1, "gradients of the values differ by ", dvalue, " of the bound");
  const double lse = (actual.lse_TN - expected.lse_TN).abs().max().item<double>();
  expect(lse <= 5e-6, "the log-sum-exp differs by ", lse);
  // Rounding of P (dP - inner), where inner is a difference of what is rounded, too: measured at 0.6 of this.
  const at::Tensor expected_TxH = expected.dqkv_T3H.slice(1, 0, 2 * H);
  const double others = excess(actual.dqkv_T3H.slice(1, 0, 2 * H), expected_TxH, (expected_TxH.abs() + 1) / 128);
  expect(others <= 1, "gradients of queries and keys differ by ", others, " of the tolerance");
  std::cout << y << " " << dvalue << " " << lse << " " << others << "\n";
}

const Dropout kOff{};
const Dropout kOn{0.25, 0x123456789abcdefull, 5, 12};

TEST("attention of a card equals the plain one, heads of 32") { compare({3, 32, kOff}); }
TEST("attention of a card equals the plain one, heads of 32, with dropout") { compare({3, 32, kOn}); }
TEST("attention of a card equals the plain one, heads of 64") { compare({2, 64, kOff}); }
TEST("attention of a card equals the plain one, heads of 64, with dropout and a bias") { compare({2, 64, kOn, true}); }
TEST("attention of a card equals the plain one, heads of 128, with dropout") { compare({1, 128, kOn}); }

}  // namespace
}  // namespace permafrost
