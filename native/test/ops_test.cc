// The fused kernels of every instruction level against the plain operations.
#include <vector>

#include "ops/cpu/fused_cpu_ops.h"
#include "ops/plain/plain_ops.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;

constexpr int64_t kHidden = 72;  // neither a multiple of a vector nor of a mask group
constexpr int64_t kHeads = 3;
const Dropout kDropout{0.25, 77, 5, 12};

std::vector<const CpuKernels*> levels() {
  std::vector<const CpuKernels*> result;
  for (const char* level : {"baseline", "avx2", "avx512", "avx512bf16"}) {
    if (const CpuKernels* kernels = cpu_kernels_of(level)) result.push_back(kernels);
  }
  return result;
}

// Sequences of lengths around the edges of vectors and query blocks.
PackedBatch make_batch() {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (const int32_t length : {1, 2, 15, 16, 17, 63, 64, 65, 130}) {
    batch.cu_seqlens.push_back(batch.cu_seqlens.back() + length);
  }
  for (int32_t t = 0; t < batch.cu_seqlens.back(); ++t) {
    batch.input_ids.push_back((t * 7) % 23);
    batch.labels.push_back(t % 3 == 0 ? kIgnoredLabel : t % 5);
  }
  return batch;
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance, const char* what) {
  const double difference = (actual - expected).abs().max().item<double>();
  expect(difference <= tolerance, what, " differs by ", difference, ", tolerance ", tolerance);
}

// Runs `compute` with the plain operations and with each level of the fused ones, and compares what it returns.
template <typename Compute>
void compare(const Compute& compute, double tolerance) {
  const c10::InferenceMode inference;
  PlainOps plain;
  const std::vector<at::Tensor> expected = compute(plain);
  for (const CpuKernels* kernels : levels()) {
    FusedCpuOps fused(*kernels);
    const std::vector<at::Tensor> actual = compute(fused);
    for (size_t i = 0; i < expected.size(); ++i) {
      expect_close(actual[i], expected[i], tolerance, ("result " + std::to_string(i)).c_str());
    }
  }
}

Parameter weight_of(const at::Tensor& value) {
  Parameter weight;
  weight.shape = value.sizes().vec();
  weight.value = value;
  return weight;
}

TEST("products equal the plain ones, whatever the shapes, strides and layouts") {
  at::manual_seed(9);
  // Around the edges of tiles, panels, chunks of rows and the depth of a panel.
  for (const auto& [M, N, K] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {1, 1, 1}, {5, 7, 3}, {6, 16, 8}, {23, 33, 17}, {49, 31, 256}, {97, 100, 259}, {12, 64, 600}, {130, 48, 72}}) {
    for (const bool a_transposed : {false, true}) {
      for (const bool b_transposed : {false, true}) {
        // Of a linear map: the map with b^T as its weight, the gradient of its input, that of its weight.
        const at::Tensor a = a_transposed ? at::randn({K, M + 3}).slice(1, 1, M + 1).t() : at::randn({M, K});
        const at::Tensor b = b_transposed ? at::randn({N, K}).t() : at::randn({K, N + 5}).slice(1, 2, N + 2);
        const at::Tensor start = at::randn({M, N});
        compare(
            [&, M = M, N = N](Ops& ops) -> std::vector<at::Tensor> {
              at::Tensor product = at::empty({M, N}), sum = start.clone(), padded = at::ones({M, N + 3});
              at::Tensor part = padded.slice(1, 1, N + 1);
              ops.linear(product, a, weight_of(b.t()));
              ops.linear_backward(sum, a, weight_of(b), true);
              ops.linear_backward(part, a, weight_of(b));
              at::Tensor gradient = at::empty({M, N}), gradients = start.clone();
              ops.weight_gradient(a.t(), b, {gradient, false});
              ops.weight_gradient(a.t(), b, {gradients, true});
              return {product, sum, padded, gradient, gradients};
            },
            1e-5 * std::sqrt(static_cast<double>(K)) + 1e-6);
      }
    }
  }
}

TEST("a row of a product has the same bits whatever the rows beside it, at the sizes of BERT") {
  const c10::InferenceMode inference;
  at::manual_seed(10);
  for (const CpuKernels* kernels : levels()) {
    FusedCpuOps ops(*kernels);
    for (const auto& [O, I] : std::vector<std::pair<int64_t, int64_t>>{{384, 128}, {2304, 768}, {768, 3072}}) {
      const at::Tensor x = at::randn({200, I});
      const Parameter weight = weight_of(at::randn({O, I}));
      at::Tensor all = at::empty({200, O});
      ops.linear(all, x, weight, true);
      for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {13, 40}, {50, 153}, {100, 200}}) {
        at::Tensor some = at::empty({end - begin, O});
        ops.linear(some, x.slice(0, begin, end), weight, true);
        expect(at::equal(some, all.slice(0, begin, end)), "rows ", begin, " to ", end, " of ", I, " by ", O, " differ");
      }
    }
  }
}

TEST("layer_norm and its gradients equal the plain ones") {
  at::manual_seed(1);
  const int64_t tokens = 37;
  const at::Tensor x = at::randn({tokens, kHidden}), residual = at::randn({tokens, kHidden}),
                   dy = at::randn({tokens, kHidden});
  std::vector<int32_t> rows(tokens);
  for (int64_t t = 0; t < tokens; ++t) rows[t] = static_cast<int32_t>(3 * t + 1);
  Dropout numbered = kDropout;
  numbered.rows = rows.data();
  const at::Tensor bias = at::randn({kHidden}), weight = at::randn({kHidden}), norm_bias = at::randn({kHidden});
  for (const Dropout& dropout : {Dropout{}, kDropout, numbered}) {
    compare(
        [&](Ops& ops) -> std::vector<at::Tensor> {
          at::Tensor sum = x.clone(), y = at::empty_like(x), mean = at::empty({tokens}), rstd = at::empty({tokens});
          ops.layer_norm(sum, bias, residual, dropout, weight, norm_bias, 1e-12, y, mean, rstd);
          at::Tensor dsum = dy.clone(), dbranch = at::empty_like(x);
          at::Tensor dweight = at::ones({kHidden}), dnorm_bias = at::empty({kHidden}), dbias = at::empty({kHidden});
          ops.layer_norm_backward(dsum, sum, mean, rstd, weight, dropout, dsum, dbranch, {dweight, true},
                                  {dnorm_bias, false}, {dbias, false});
          return {sum, y, mean, rstd, dsum, dbranch, dweight, dnorm_bias, dbias};
        },
        3e-5);
  }
}

TEST("attention and its gradients equal the plain ones at every length") {
  at::manual_seed(2);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const at::Tensor qkv = at::randn({batch.num_tokens(), 3 * kHidden}), dy = at::randn({batch.num_tokens(), kHidden});
  const at::Tensor bias = at::randn({3 * kHidden});
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    compare(
        [&](Ops& ops) -> std::vector<at::Tensor> {
          at::Tensor y = at::empty_like(dy), lse = at::empty({batch.num_tokens(), kHeads}), dqkv = at::empty_like(qkv);
          at::Tensor biased = qkv.clone();
          ops.attention(tensors, biased, bias, kHeads, dropout, y, lse);
          ops.attention_backward(tensors, dy, biased, y, lse, kHeads, dropout, dqkv);
          return {biased, y, lse, dqkv};
        },
        5e-5);
  }
}

TEST("disentangled attention and its gradients equal the plain ones at every length") {
  at::manual_seed(6);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const at::Tensor qkv = at::randn({batch.num_tokens(), 3 * kHidden}), dy = at::randn({batch.num_tokens(), kHidden});
  const at::Tensor bias = at::randn({3 * kHidden});
  const auto check = [&](const RelativeAttention& relative, const Dropout& dropout, bool wanted) {
    const RelativeRows rows(relative, 130);
    const at::Tensor table = at::randn({rows.count, 2 * kHidden});
    compare(
        [&](Ops& ops) -> std::vector<at::Tensor> {
          at::Tensor y = at::empty_like(dy), lse = at::empty({batch.num_tokens(), kHeads}), dqkv = at::empty_like(qkv);
          at::Tensor dtable = wanted ? at::empty_like(table) : at::Tensor();
          at::Tensor biased = qkv.clone();
          ops.disentangled_attention(tensors, biased, bias, rows, table, kHeads, dropout, y, lse);
          ops.disentangled_attention_backward(tensors, dy, biased, rows, table, y, lse, kHeads, dropout, dqkv, dtable);
          if (wanted) return {biased, y, lse, dqkv, dtable};
          return {biased, y, lse, dqkv};
        },
        1e-4);
  };
  check({32, 128, true, true, true}, {}, true);
  check({32, 128, true, true, true}, kDropout, true);
  check({0, 40, true, true, true}, {}, false);
  check({32, 128, true, false, true}, {}, true);
  check({32, 128, false, true, true}, kDropout, true);
}

TEST("distances fall into the buckets that Hugging Face has") {
  const RelativeAttention config{8, 40, true, true, true};
  const std::vector<int64_t> expected = {0, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
  for (size_t distance = 0; distance < expected.size(); ++distance) {
    const auto signed_distance = static_cast<int64_t>(distance);
    expect(relative_bucket(config, signed_distance) == expected[distance], "bucket of ", distance);
    expect(relative_bucket(config, -signed_distance) == -expected[distance], "bucket of -", distance);
  }
  const RelativeRows rows(config, 3);
  expect(rows.first == 6 && rows.count == 5, "rows in use: ", rows.count, " from ", rows.first);
  expect(rows.of_distance == std::vector<int32_t>{0, 1, 2, 3, 4}, "the rows do not ascend by distance");
  // The first row is never reached, the last one is shared.
  const RelativeRows all(config, 40);
  expect(all.first == 1 && all.count == 15, "rows in use: ", all.count, " from ", all.first);
}

TEST("activations and their gradients equal the plain ones") {
  at::manual_seed(3);
  // Also far out, where exponentials overflow if done carelessly.
  const at::Tensor x = at::cat({at::randn({20, kHidden}) * 3, at::linspace(-90, 90, kHidden).unsqueeze(0)});
  const at::Tensor bias = at::randn({kHidden}), dy = at::randn(x.sizes());
  for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::relu}) {
    compare(
        [&](Ops& ops) -> std::vector<at::Tensor> {
          at::Tensor pre = x.clone(), y = at::empty_like(x), dpre = dy.clone(), dbias = at::empty({kHidden});
          ops.activate(pre, bias, activation, y);
          ops.activate_backward(dpre, pre, activation, {dbias, false});
          at::Tensor again = at::empty_like(x);
          ops.activate(pre, {}, activation, again);
          expect(at::equal(again, y), "without a bias the activation must be that of what is there");
          at::Tensor joined = pre.clone(), djoined = dy.clone(), joined_dbias = at::empty({kHidden});
          ops.activate_and_back(djoined, joined, activation, {joined_dbias, false});
          return {pre, y, dpre, dbias, joined, djoined, joined_dbias};
        },
        1e-5);
  }
}

TEST("embeddings and their gradients equal the plain ones") {
  at::manual_seed(4);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const at::Tensor word = at::randn({23, kHidden}), position = at::randn({130, kHidden}), type = at::randn({2, kHidden});
  const at::Tensor dsum = at::randn({batch.num_tokens(), kHidden});
  for (const bool accumulate : {false, true}) {
    compare(
        [&](Ops& ops) -> std::vector<at::Tensor> {
          at::Tensor sum = at::empty_like(dsum);
          ops.embed(tensors, word, position, type, sum);
          at::Tensor dword = at::ones_like(word), dposition = at::ones_like(position), dtype = at::ones_like(type);
          ops.embed_backward(tensors, dsum, 0, {dword, accumulate}, {dposition, accumulate}, {dtype, accumulate});
          return {sum, dword, dposition, dtype};
        },
        3e-5);
  }
}

// Runs `compute` with each level's kernels on fp32 and on bf16 activations of the same values, and expects what comes of
// bf16 to be what comes of fp32, rounded as often as `roundings`.
template <typename Compute>
void compare_rounded(const Compute& compute, double roundings = 1) {
  const c10::InferenceMode inference;
  for (const CpuKernels* kernels : levels()) {
    FusedCpuOps fused(*kernels);
    const std::vector<at::Tensor> exact = compute(fused, at::kFloat), rounded = compute(fused, at::kBFloat16);
    for (size_t i = 0; i < exact.size(); ++i) {
      // Half of the last of eight bits; a quarter of it more for sums in another order, which may fall on the other side.
      const at::Tensor allowed = exact[i].abs() * (1.25 * roundings / 256) + 1e-4 * exact[i].abs().mean();
      const at::Tensor difference = (rounded[i].to(at::kFloat) - exact[i]).abs();
      expect(difference.le(allowed).all().item<bool>(), "result ", i, " differs by ",
             (difference - allowed).max().item<double>(), " too much");
    }
  }
}

at::Tensor bf16_values(at::IntArrayRef sizes) { return at::randn(sizes).to(at::kBFloat16).to(at::kFloat); }

TEST("on bf16 activations the kernels give what they give on fp32 ones, rounded") {
  at::manual_seed(11);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const int64_t tokens = batch.num_tokens();
  const at::Tensor sum = at::randn({tokens, kHidden}), residual = bf16_values({tokens, kHidden}),
                   dy = bf16_values({tokens, kHidden}), weight = at::randn({kHidden}), bias = at::randn({kHidden});
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    compare_rounded([&](Ops& ops, at::ScalarType type) -> std::vector<at::Tensor> {
      at::Tensor s = sum.clone(), y = at::empty({tokens, kHidden}, type), mean = at::empty({tokens}), rstd = at::empty({tokens});
      ops.layer_norm(s, bias, residual.to(type), dropout, weight, bias, 1e-12, y, mean, rstd);
      at::Tensor dsum = at::empty_like(y), dbranch = at::empty_like(y);
      at::Tensor dweight = at::empty({kHidden}), dnorm_bias = at::empty({kHidden});
      ops.layer_norm_backward(dy.to(type), s, mean, rstd, weight, dropout, dsum, dbranch, {dweight, false},
                              {dnorm_bias, false}, {});
      return {s, y, dsum, dweight, dnorm_bias};
    });
    const at::Tensor qkv = bf16_values({tokens, 3 * kHidden});
    const RelativeRows rows({32, 128, true, true, true}, 130);
    const at::Tensor table = bf16_values({rows.count, 2 * kHidden});
    compare_rounded([&](Ops& ops, at::ScalarType type) -> std::vector<at::Tensor> {
      at::Tensor x = qkv.to(type), y = at::empty({tokens, kHidden}, type), lse = at::empty({tokens, kHeads});
      ops.attention(tensors, x, {}, kHeads, dropout, y, lse);
      at::Tensor z = at::empty_like(y), relative_lse = at::empty_like(lse);
      ops.disentangled_attention(tensors, x, {}, rows, table.to(type), kHeads, dropout, z, relative_lse);
      return {y, lse, z, relative_lse};
    });
  }
  const at::Tensor x = bf16_values({tokens, kHidden}) * 4;
  for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::relu}) {
    compare_rounded([&](Ops& ops, at::ScalarType type) -> std::vector<at::Tensor> {
      at::Tensor pre = x.to(type), y = at::empty_like(pre), dpre = dy.to(type, false, true), dbias = at::empty({kHidden});
      ops.activate(pre, {}, activation, y);
      ops.activate_backward(dpre, pre, activation, {dbias, false});
      at::Tensor table = at::zeros({23, kHidden}), positions = at::zeros({130, kHidden});
      ops.embed_backward(tensors, dy.to(type), 0, {table, true}, {positions, true}, {});
      return {y, dpre, dbias, table, positions};
    });
  }
  const at::Tensor logits = bf16_values({tokens, 37}) * 4;
  compare_rounded([&](Ops& ops, at::ScalarType type) -> std::vector<at::Tensor> {
    at::Tensor scores = logits.to(type, false, true);
    at::Tensor labels = at::empty({tokens}, at::kInt);
    ops.argmax(scores, labels.data_ptr<int32_t>());
    const double loss = ops.cross_entropy(scores, tensors.labels_T, 0.5, scores);
    return {at::full({1}, loss), scores, labels.to(at::kFloat)};
  });
}

// The way back recomputes the weights of attention from what the way there stored, rounded; it is held against fp32
// within the rounding of all that it reads.
TEST("the way back of attention on bf16 activations lies within their rounding") {
  const c10::InferenceMode inference;
  at::manual_seed(12);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const int64_t tokens = batch.num_tokens();
  const at::Tensor qkv = bf16_values({tokens, 3 * kHidden}), dy = bf16_values({tokens, kHidden}), bias = at::randn({3 * kHidden});
  const RelativeRows rows({32, 128, true, true, true}, 130);
  const at::Tensor table = bf16_values({rows.count, 2 * kHidden});
  const auto compute = [&](Ops& ops, at::ScalarType type, bool relative) -> std::vector<at::Tensor> {
    at::Tensor x = qkv.to(type, false, true), y = at::empty({tokens, kHidden}, type), lse = at::empty({tokens, kHeads});
    at::Tensor dqkv = at::empty_like(x), dtable = at::empty(table.sizes(), type);
    if (!relative) {
      ops.attention(tensors, x, bias, kHeads, kDropout, y, lse);
      ops.attention_backward(tensors, dy.to(type), x, y, lse, kHeads, kDropout, dqkv);
      return {dqkv.to(at::kFloat)};
    }
    ops.disentangled_attention(tensors, x, bias, rows, table.to(type), kHeads, kDropout, y, lse);
    ops.disentangled_attention_backward(tensors, dy.to(type), x, rows, table.to(type), y, lse, kHeads, kDropout, dqkv, dtable);
    return {dqkv.to(at::kFloat), dtable.to(at::kFloat)};
  };
  for (const CpuKernels* kernels : levels()) {
    FusedCpuOps fused(*kernels);
    for (const bool relative : {false, true}) {
      const std::vector<at::Tensor> exact = compute(fused, at::kFloat, relative);
      const std::vector<at::Tensor> rounded = compute(fused, at::kBFloat16, relative);
      for (size_t i = 0; i < exact.size(); ++i) {
        const double distance = (exact[i] - rounded[i]).norm().item<double>() / exact[i].norm().item<double>();
        expect(distance > 1e-4 && distance < 0.015, "result ", i, " is off by ", distance);
      }
    }
  }
}

TEST("the update rounds to the nearest bf16 number, the even one of two, and keeps NaN and infinity") {
  const c10::InferenceMode inference;
  // All upper halves, with lower halves around the ties.
  const at::Tensor upper = at::arange(65536, at::kLong).unsqueeze(1) * 65536;
  const at::Tensor lower = at::tensor(std::vector<int64_t>{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}).unsqueeze(0);
  const at::Tensor values = (upper + lower).to(at::kInt).view(at::kFloat).flatten().contiguous();
  const at::Tensor zeros = at::zeros_like(values);
  for (const CpuKernels* kernels : levels()) {
    FusedCpuOps fused(*kernels);
    at::Tensor value = values.clone(), m = zeros.clone(), v = zeros.clone(), rounded = at::empty(values.sizes(), at::kBFloat16);
    fused.adamw(value, zeros, m, v, rounded, {0, 0.9, 0.999, 1e-8, 0, 1, 1});
    const at::Tensor expected = values.to(at::kBFloat16);
    const at::Tensor is_nan = at::isnan(values);
    expect(at::isnan(rounded).equal(is_nan), "NaN must stay NaN, and nothing else become it");
    expect(rounded.masked_fill(is_nan, 0).equal(expected.masked_fill(is_nan, 0)), "a number is not the nearest");
  }
}

TEST("the padding token's row of the embeddings gets no gradient") {
  const c10::InferenceMode inference;
  PackedBatch batch{{0, 1, 0}, {}, {0, 3}};
  const BatchTensors tensors(batch, -1, at::kCPU);
  FusedCpuOps ops(cpu_kernels());
  at::Tensor dword = at::empty({2, kHidden});
  ops.embed_backward(tensors, at::ones({3, kHidden}), 0, {dword, false}, {}, {});
  expect(dword[0].abs().max().item<float>() == 0, "row 0 has a gradient");
  expect(dword[1].min().item<float>() == 1, "row 1 has none");
}

TEST("cross entropy, arg max, norm and update equal the plain ones") {
  at::manual_seed(5);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const at::Tensor logits = at::randn({batch.num_tokens(), 5}) * 4;
  const at::Tensor grad = at::randn({9001}), start = at::randn({9001});
  compare(
      [&](Ops& ops) -> std::vector<at::Tensor> {
        at::Tensor dlogits = at::empty_like(logits);
        const double loss = ops.cross_entropy(logits, tensors.labels_T, 0.5, dlogits);
        at::Tensor labels = at::empty({batch.num_tokens()}, at::kInt);
        ops.argmax(logits, labels.data_ptr<int32_t>());
        at::Tensor value = start.clone(), m = at::zeros_like(start), v = at::zeros_like(start), rounded;
        for (int64_t step = 1; step <= 3; ++step) ops.adamw(value, grad, m, v, rounded, {1e-3, 0.9, 0.999, 1e-8, 0.01, 0.7, step});
        return {at::full({1}, loss / 100), dlogits, labels.to(at::kFloat), value, m, v,
                at::full({1}, ops.squared_norm(grad) / 9001)};
      },
      2e-6);
}

TEST("cross entropy over a vocabulary equals the plain one, with and without its gradient, in place and not") {
  at::manual_seed(6);
  const PackedBatch batch = make_batch();
  const BatchTensors tensors(batch, -1, at::kCPU);
  const at::Tensor logits = at::randn({batch.num_tokens(), 1037}) * 10;
  compare(
      [&](Ops& ops) -> std::vector<at::Tensor> {
        at::Tensor dlogits = at::empty_like(logits), in_place = logits.clone(), unwanted;
        const double apart = ops.cross_entropy(logits, tensors.labels_T, 0.5, dlogits);
        const double same = ops.cross_entropy(in_place, tensors.labels_T, 0.5, in_place);
        const double alone = ops.cross_entropy(logits, tensors.labels_T, 0.5, unwanted);
        return {at::full({3}, apart / 10000), at::full({1}, same / 10000), at::full({1}, alone / 10000), dlogits, in_place};
      },
      2e-6);
}

TEST("a mask has the same bits for any number of threads and about the right share of zeros") {
  const c10::InferenceMode inference;
  FusedCpuOps ops(cpu_kernels());
  const int threads = at::get_num_threads();
  at::Tensor one = at::ones({500, 320}), many = at::ones({500, 320});
  at::set_num_threads(1);
  ops.dropout(one, kDropout);
  at::set_num_threads(threads);
  ops.dropout(many, kDropout);
  expect(at::equal(one, many), "the masks differ");
  const double zeros = (one == 0).to(at::kFloat).mean().item<double>();
  expect(std::abs(zeros - 0.25) < 5 * std::sqrt(0.25 * 0.75 / one.numel()), "share of zeros ", zeros);
}

TEST("masks of other seeds, passes, places and rows are others") {
  const Dropout base = kDropout;
  const auto word = [](Dropout dropout, uint32_t row) { return mask_bits(dropout, row, 3); };
  Dropout seed = base, pass = base, site = base;
  ++seed.seed;
  ++pass.pass;
  ++site.site;
  for (const uint32_t other : {word(seed, 1), word(pass, 1), word(site, 1), word(base, 2)}) {
    expect(other != word(base, 1), "two masks share a word");
  }
}

TEST("Philox gives the numbers of its authors' test vectors") {
  PhiloxCounter zero = {{0, 0, 0, 0}};
  philox4x32(zero, 0, 0);
  expect(zero.word[0] == 0x6627e8d5 && zero.word[1] == 0xe169c58d && zero.word[2] == 0xbc57ac4c &&
             zero.word[3] == 0x9b00dbd8, "wrong words for counter and key 0");
  PhiloxCounter ones = {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}};
  philox4x32(ones, 0xffffffff, 0xffffffff);
  expect(ones.word[0] == 0x408f276d && ones.word[1] == 0x41c83b0e && ones.word[2] == 0xa20bc7c6 &&
             ones.word[3] == 0x6d5451fd, "wrong words for counter and key of ones");
}

}  // namespace
}  // namespace permafrost
