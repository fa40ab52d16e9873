// The kernels over rows and that of the update, on the emulator, against the plain operations.
#include "ops/cuda/activation.cuh"
#include "ops/cuda/column_sums.cuh"
#include "ops/cuda/cross_entropy.cuh"
#include "ops/cuda/dropout.cuh"
#include "ops/cuda/embedding.cuh"
#include "ops/cuda/kernel_rows.h"
#include "ops/cuda/kernel_update.h"
#include "ops/cuda/layer_norm.cuh"
#include "ops/cuda/update.cuh"
#include "ops/plain/plain_ops.h"
#include "test/emulator/emulated_kernels.h"
#include "test/testing.h"

EMULATED_KERNEL(sum_parts)
EMULATED_KERNEL(column_sums<float>)
EMULATED_KERNEL(column_sums<bf16>)
EMULATED_KERNEL(narrow_column_sums<float>)
EMULATED_KERNEL(narrow_column_sums<bf16>)
EMULATED_KERNEL(layer_norm<float, float>)
EMULATED_KERNEL(layer_norm<bf16, bf16>)
EMULATED_KERNEL(layer_norm<bf16, float>)
EMULATED_KERNEL(layer_norm_backward<float, float>)
EMULATED_KERNEL(layer_norm_backward<bf16, bf16>)
EMULATED_KERNEL(layer_norm_backward<bf16, float>)
EMULATED_KERNEL(activate<float, 0>)
EMULATED_KERNEL(activate<float, 1>)
EMULATED_KERNEL(activate<float, 2>)
EMULATED_KERNEL(activate<bf16, 0>)
EMULATED_KERNEL(activate<bf16, 1>)
EMULATED_KERNEL(activate<bf16, 2>)
EMULATED_KERNEL(activate_backward<float, 0>)
EMULATED_KERNEL(activate_backward<float, 1>)
EMULATED_KERNEL(activate_backward<float, 2>)
EMULATED_KERNEL(activate_backward<bf16, 0>)
EMULATED_KERNEL(activate_backward<bf16, 1>)
EMULATED_KERNEL(activate_backward<bf16, 2>)
EMULATED_KERNEL(dropout<float>)
EMULATED_KERNEL(dropout<bf16>)
EMULATED_KERNEL(embed)
EMULATED_KERNEL(sort_tokens)
EMULATED_KERNEL(scatter_rows<float>)
EMULATED_KERNEL(scatter_rows<bf16>)
EMULATED_KERNEL(cross_entropy<float>)
EMULATED_KERNEL(cross_entropy<bf16>)
EMULATED_KERNEL(sum_losses)
EMULATED_KERNEL(squares)
EMULATED_KERNEL(decide)
EMULATED_KERNEL(adamw)

namespace permafrost {
namespace {

using testing::expect;

const std::vector<at::ScalarType> kTypes = {at::kFloat, at::kBFloat16};

// A pass whose number is on the device, as are the numbers of its rows.
struct DeviceDropout {
  explicit DeviceDropout(int64_t tokens) {
    for (int64_t t = 0; t < tokens; ++t) rows.push_back(static_cast<int32_t>(3 * t + 1));
    dropout = Dropout{0.25, 0x123456789abcdefull, 5, 12};
    dropout.rows = dropout.device_rows = rows.data();
    dropout.device_pass = &pass;
  }
  std::vector<int32_t> rows;
  uint32_t pass = 5;
  Dropout dropout;
};

at::Tensor random_of(at::IntArrayRef sizes, at::ScalarType type) { return at::randn(sizes).to(type); }

// Within a few units of the last place of the type, relative to the largest number.
void expect_close(const at::Tensor& actual, const at::Tensor& expected, at::ScalarType type, const std::string& what) {
  expect(actual.sizes() == expected.sizes(), what, " has another shape");
  if (expected.numel() == 0) return;
  const at::Tensor reference = expected.to(at::kDouble);
  const double largest = reference.abs().max().item<double>();
  const double tolerance = (largest + 1) * (type == at::kFloat ? 4e-6 : 8e-3);
  const double difference = (actual.to(at::kDouble) - reference).abs().max().item<double>();
  expect(difference <= tolerance, what, " differs by ", difference, ", tolerance ", tolerance);
}

// A place for a gradient that keeps what is outside of it, filled with ones.
GradSink sink_of(int64_t columns, bool accumulate) { return {at::ones({columns}), accumulate}; }

struct NormShape {
  int64_t tokens, hidden;
};

void check_norm(const NormShape& shape, at::ScalarType type, at::ScalarType sum_type, const Dropout& dropout,
                bool bias_wanted, bool residual_wanted, bool accumulate) {
  const auto [T, H] = shape;
  EmulatedKernels emulated;
  RowKernels kernels(emulated, type);
  PlainOps plain;
  const std::string what = "layer norm of " + std::to_string(T) + " by " + std::to_string(H) + " ";
  const at::Tensor x = random_of({T, H}, sum_type), dy = random_of({T, H}, type);
  const at::Tensor residual = residual_wanted ? random_of({T, H}, type) : at::Tensor();
  const at::Tensor bias = bias_wanted ? at::randn({H}) : at::Tensor(), weight = at::randn({H}), norm_bias = at::randn({H});

  at::Tensor sum = x.clone(), y = at::empty({T, H}, type), mean = at::empty({T}), rstd = at::empty({T});
  expect(kernels.layer_norm(sum, bias, residual, dropout, weight, norm_bias, 1e-12, y, mean, rstd), what, "refused");
  at::Tensor plain_sum = x.clone(), plain_y = at::empty({T, H}), plain_mean = at::empty({T}), plain_rstd = at::empty({T});
  const at::Tensor wide = residual_wanted ? residual.to(at::kFloat) : residual;
  plain.layer_norm(plain_sum, bias, wide, dropout, weight, norm_bias, 1e-12, plain_y, plain_mean, plain_rstd);
  expect_close(y, plain_y, type, what + "y");
  expect_close(mean, plain_mean, at::kFloat, what + "mean");
  expect_close(rstd, plain_rstd, at::kFloat, what + "rstd");
  expect(sum.scalar_type() == sum_type, what, "what is kept has another type");

  at::Tensor dsum = dy.clone(), dbranch = dropout.on() ? at::empty({T, H}, type) : dsum;
  const GradSink dweight = sink_of(H, accumulate), dnorm_bias = sink_of(H, !accumulate), dbias = sink_of(H, accumulate);
  expect(kernels.layer_norm_backward(dsum, sum, rstd, weight, dropout, dsum, dbranch, dweight, dnorm_bias, dbias), what);
  kernels.finish_sums();
  at::Tensor plain_dsum = dy.to(at::kFloat).clone(), plain_dbranch = dropout.on() ? at::empty({T, H}) : plain_dsum;
  const GradSink plain_dweight = sink_of(H, accumulate), plain_dnorm_bias = sink_of(H, !accumulate),
                 plain_dbias = sink_of(H, accumulate);
  plain.layer_norm_backward(plain_dsum, plain_sum, plain_mean, plain_rstd, weight, dropout, plain_dsum, plain_dbranch,
                            plain_dweight, plain_dnorm_bias, plain_dbias);
  expect_close(dsum, plain_dsum, type, what + "gradient of the sum");
  expect_close(dbranch, plain_dbranch, type, what + "gradient of the branch");
  expect_close(dweight.grad, plain_dweight.grad, type, what + "gradient of the weight");
  expect_close(dnorm_bias.grad, plain_dnorm_bias.grad, at::kFloat, what + "gradient of the bias");
  expect_close(dbias.grad, plain_dbias.grad, type, what + "gradient of the branch's bias");
}

TEST("card kernels: LayerNorm with bias, dropout and residual, both ways, equals the plain one") {
  const c10::InferenceMode inference;
  at::manual_seed(1);
  const std::vector<NormShape> shapes = {{1, 8}, {37, 72}, {19, 128}, {5, 384}, {131, 768}, {6, 1024}, {3, 2048}};
  for (const NormShape& shape : shapes) {
    const DeviceDropout numbered(shape.tokens);
    for (const at::ScalarType type : kTypes) {
      check_norm(shape, type, type, {}, false, true, false);
      check_norm(shape, type, type, numbered.dropout, true, true, true);
    }
    check_norm(shape, at::kBFloat16, at::kFloat, {}, false, false, false);
  }
  const Dropout by_place{0.1, 77, 5, 12};
  check_norm({600, 128}, at::kBFloat16, at::kBFloat16, by_place, false, true, false);
}

TEST("card kernels: LayerNorm of no rows and without gradients of weights") {
  const c10::InferenceMode inference;
  check_norm({0, 64}, at::kFloat, at::kFloat, {}, false, true, false);
  EmulatedKernels emulated;
  RowKernels kernels(emulated, at::kFloat);
  at::Tensor sum = at::randn({3, 64}), gradient = at::randn({3, 64}), none;
  const at::Tensor rstd = at::ones({3}), weight = at::ones({64});
  expect(kernels.layer_norm_backward(gradient, sum, rstd, weight, {}, gradient, gradient, {}, {}, {}), "refused");
  expect(emulated.launches().count("sum_parts") == 0, "sums that nobody wants");
  at::Tensor odd = at::randn({3, 60}), y = at::empty({3, 60}), mean = at::empty({3}), deviation = at::empty({3});
  expect(!kernels.layer_norm(odd, {}, {}, {}, at::ones({60}), at::ones({60}), 1e-12, y, mean, deviation),
         "rows that are no multiple of 16 bytes");
}

TEST("card kernels: activations and their gradients equal the plain ones, near and far out") {
  const c10::InferenceMode inference;
  at::manual_seed(3);
  PlainOps plain;
  for (const at::ScalarType type : kTypes) {
    for (const int64_t I : {8, 200, 768}) {
      const at::Tensor x = at::cat({at::randn({20, I}) * 3, at::linspace(-90, 90, I).unsqueeze(0)}).to(type);
      const at::Tensor dy = random_of(x.sizes(), type), bias = at::randn({I});
      for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::relu}) {
        EmulatedKernels emulated;
        RowKernels kernels(emulated, type);
        const std::string what = "activation " + std::to_string(static_cast<int>(activation)) + " ";
        for (const at::Tensor& added : {at::Tensor(), bias}) {
          at::Tensor pre = x.clone(), y = at::empty_like(x), plain_pre = x.clone(), plain_y = at::empty_like(x);
          expect(kernels.activate(pre, added, activation, y), what, "refused");
          plain.activate(plain_pre, added, activation, plain_y);
          expect_close(pre, plain_pre, type, what + "sum");
          expect_close(y, plain_y, type, what + "value");
          at::Tensor in_place = x.clone();
          expect(kernels.activate(in_place, added, activation, in_place) && in_place.equal(y), what, "in place");
        }
        for (const bool accumulate : {false, true}) {
          at::Tensor gradient = dy.clone(), pre = x.clone();
          const GradSink dbias = sink_of(I, accumulate), plain_dbias = sink_of(I, accumulate);
          expect(kernels.activate_backward(gradient, pre, activation, dbias, accumulate), what, "refused");
          kernels.finish_sums();
          at::Tensor plain_gradient = dy.to(at::kFloat), activated = at::empty_like(x), plain_pre = x.clone();
          plain.activate_backward(plain_gradient, x.to(at::kFloat), activation, plain_dbias);
          plain.activate(plain_pre, {}, activation, activated);
          expect_close(gradient, plain_gradient, type, what + "gradient");
          expect_close(dbias.grad, plain_dbias.grad, at::kFloat, what + "gradient of the bias");
          expect_close(pre, accumulate ? activated : x, type, what + "what is left");
        }
      }
    }
  }
}

TEST("card kernels: column sums equal the plain ones and are the same bits each time") {
  const c10::InferenceMode inference;
  at::manual_seed(4);
  PlainOps plain;
  for (const at::ScalarType type : kTypes) {
    for (const auto& [T, C] : std::vector<std::pair<int64_t, int64_t>>{
             {0, 8}, {1, 8}, {930, 264}, {61, 2304}, {3, 1}, {217, 9}, {40, 77}}) {
      EmulatedKernels emulated;
      RowKernels kernels(emulated, type);
      const at::Tensor x = random_of({T, C}, type);
      for (const bool accumulate : {false, true}) {
        const GradSink sums = sink_of(C, accumulate), again = sink_of(C, accumulate), expected = sink_of(C, accumulate);
        expect(kernels.bias_backward(x, sums) && kernels.bias_backward(x, again), "refused");
        kernels.finish_sums();
        plain.bias_backward(x, expected);
        expect_close(sums.grad, expected.grad, at::kFloat, "column sums");
        expect(at::equal(sums.grad, again.grad), "other bits");
      }
    }
  }
}

TEST("card kernels: sums of a pass are finished in one launch, those into the same memory in their order") {
  const c10::InferenceMode inference;
  EmulatedKernels emulated;
  RowKernels kernels(emulated, at::kFloat);
  const at::Tensor x = at::ones({5, 16}), all = at::zeros({24});
  std::vector<at::Tensor> many;
  for (int i = 0; i < 130; ++i) {
    many.push_back(at::zeros({16}));
    kernels.bias_backward(x * i, {many.back(), false});
  }
  kernels.bias_backward(x, {all.slice(0, 0, 16), false});
  kernels.bias_backward(x, {all.slice(0, 8, 24), true});
  kernels.finish_sums();
  kernels.finish_sums();
  expect(emulated.launches().at("sum_parts") == 3, emulated.launches().at("sum_parts"), " launches");
  for (int i = 0; i < 130; ++i) expect(many[i].eq(5 * i).all().item<bool>(), "sum ", i);
  expect(at::equal(all, at::tensor({5.0f, 10.0f, 5.0f}).repeat_interleave(8)), "sums that overlap");
  kernels.bias_backward(x, {many[0], false});
  kernels.begin_pass();
  kernels.finish_sums();
  expect(many[0].eq(0).all().item<bool>(), "a sum of a pass that was given up");
}

TEST("card kernels: dropout has the masks of the CPU") {
  const c10::InferenceMode inference;
  at::manual_seed(5);
  PlainOps plain;
  for (const at::ScalarType type : kTypes) {
    for (const int64_t H : {8, 128, 136, 768}) {
      EmulatedKernels emulated;
      RowKernels kernels(emulated, type);
      const DeviceDropout numbered(23);
      for (const Dropout& dropout : {numbered.dropout, Dropout{0.5, 3, 9, 4}, Dropout{}}) {
        at::Tensor x = random_of({23, H}, type), expected = x.clone();
        expect(kernels.dropout(x, dropout), "refused");
        plain.dropout(expected, dropout);
        expect(at::equal(x, expected), "another mask, H = ", H);
      }
    }
  }
}

TEST("card kernels: a mask follows the number of the pass on the device") {
  const c10::InferenceMode inference;
  EmulatedKernels emulated;
  RowKernels kernels(emulated, at::kFloat);
  DeviceDropout numbered(4);
  at::Tensor first = at::ones({4, 128}), second = at::ones({4, 128}), expected = at::ones({4, 128});
  kernels.dropout(first, numbered.dropout);
  numbered.pass = 6;
  kernels.dropout(second, numbered.dropout);
  Dropout next = numbered.dropout;
  next.pass = 6;
  PlainOps().dropout(expected, next);
  expect(!at::equal(first, second) && at::equal(second, expected), "the mask is not that of the pass");
}

PackedBatch make_batch() {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (const int32_t length : {1, 2, 15, 16, 17, 63}) batch.cu_seqlens.push_back(batch.cu_seqlens.back() + length);
  for (int32_t t = 0; t < batch.cu_seqlens.back(); ++t) {
    batch.input_ids.push_back(t % 4 == 0 ? 3 : (t * 7) % 23);
    batch.labels.push_back(t % 3 == 0 ? kIgnoredLabel : t % 5);
  }
  return batch;
}

TEST("card kernels: embeddings and the gradients of their rows equal the plain ones") {
  const c10::InferenceMode inference;
  at::manual_seed(6);
  const PackedBatch batch = make_batch();
  PlainOps plain;
  for (const int64_t base : {-1, 1}) {
    const BatchTensors tensors(batch, base, at::kCPU);
    for (const at::ScalarType type : kTypes) {
      for (const int64_t H : {8, 328}) {
        EmulatedKernels emulated;
        RowKernels kernels(emulated, type);
        const at::Tensor word = at::randn({23, H}), position = at::randn({80, H}), kind = at::randn({2, H});
        at::Tensor sum = at::empty({batch.num_tokens(), H}), plain_sum = sum.clone();
        for (const bool whole : {true, false}) {
          const at::Tensor none;
          expect(kernels.embed(tensors, word, whole ? position : none, whole ? kind : none, sum), "refused");
          plain.embed(tensors, word, whole ? position : none, whole ? kind : none, plain_sum);
          expect(at::equal(sum, plain_sum), "embeddings differ");
        }
        const at::Tensor dsum = random_of({batch.num_tokens(), H}, type);
        for (const bool accumulate : {false, true}) {
          const auto sinks = [&] {
            return std::vector<GradSink>{{at::ones_like(word), accumulate},
                                         {at::ones_like(position), accumulate},
                                         {at::ones_like(kind), accumulate}};
          };
          const auto actual = sinks(), expected = sinks();
          expect(kernels.embed_backward(tensors, dsum, 0, actual[0], actual[1], actual[2]), "refused");
          kernels.finish_sums();
          plain.embed_backward(tensors, dsum, 0, expected[0], expected[1], expected[2]);
          for (size_t i = 0; i < actual.size(); ++i) {
            expect_close(actual[i].grad, expected[i].grad, at::kFloat, "gradient of table " + std::to_string(i));
          }
        }
      }
    }
  }
}

TEST("card kernels: the loss and its gradient equal those of libtorch") {
  const c10::InferenceMode inference;
  at::manual_seed(7);
  PlainOps plain;
  for (const at::ScalarType type : kTypes) {
    for (const auto& [T, C] : std::vector<std::pair<int64_t, int64_t>>{{1, 2}, {114, 9}, {40, 70}, {0, 3}}) {
      EmulatedKernels emulated;
      RowKernels kernels(emulated, type);
      const at::Tensor logits = random_of({T, C}, type) * 6;
      at::Tensor labels = at::randint(C, {T}, at::kInt);
      labels.masked_fill_(at::arange(T).remainder(3).eq(2), kIgnoredLabel);
      at::Tensor dlogits = logits.clone(), plain_dlogits = logits.to(at::kFloat), loss;
      const at::Tensor scale = at::full({}, 0.125);
      expect(kernels.cross_entropy(dlogits, labels, scale, dlogits, loss), "refused");
      const at::Tensor plain_loss = plain.cross_entropy_on_device(plain_dlogits, labels, scale, plain_dlogits);
      expect_close(loss, plain_loss, at::kFloat, "loss");
      expect_close(dlogits, plain_dlogits, type, "gradient of the logits");
    }
  }
}

// Tensors of odd sizes, of which the first is larger than a chunk.
UpdateList make_list(bool rounded, double max_norm) {
  UpdateList list{{}, 0.9, 0.999, 1e-8, max_norm, 9223372036854775808.0};
  const at::Tensor steps[] = {at::full({}, 0.0), at::full({}, 41.0)};
  size_t i = 0;
  for (const int64_t count : {9001, 3, 768, 1, 8192}) {
    UpdateList::Entry entry{at::randn({count}), at::randn({count}), at::randn({count}), at::randn({count}).square(),
                            steps[i % 2], {}, {}, i % 2 == 0 ? 0.01 : 0.0, i % 3};
    if (rounded) entry.rounded = entry.value.to(at::kBFloat16);
    if (i != 1) entry.gradient_sum = at::randn({count});
    list.entries.push_back(entry);
    ++i;
  }
  return list;
}

UpdateList copy_of(const UpdateList& list) {
  UpdateList copy = list;
  for (UpdateList::Entry& entry : copy.entries) {
    for (at::Tensor* x : {&entry.value, &entry.grad, &entry.exp_avg, &entry.exp_avg_sq, &entry.rounded,
                          &entry.gradient_sum}) {
      if (x->defined()) *x = x->clone();
    }
  }
  return copy;
}

TEST("card kernels: the update equals the plain AdamW, with clipping, sums of gradients and rounded copies") {
  const c10::InferenceMode inference;
  at::manual_seed(8);
  const at::Tensor rates = at::tensor({1e-3f, 2e-2f, 5e-4f}), mean_scale = at::full({}, 0.25), loss = at::full({}, 1.5);
  for (const double max_norm : {0.0, 1.0, 1e6}) {
    const UpdateList list = make_list(max_norm > 0, max_norm);
    UpdateList expected = copy_of(list);
    double squares = 0;
    for (const auto& entry : expected.entries) squares += entry.grad.to(at::kDouble).square().sum().item<double>();
    const double norm = std::sqrt(squares) * 0.25, clip = max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
    PlainOps plain;
    for (auto& entry : expected.entries) {
      const auto step = static_cast<int64_t>(entry.step.item<float>()) + 1;
      const float rate = rates[static_cast<int64_t>(entry.rate)].item<float>();
      plain.adamw(entry.value, entry.grad, entry.exp_avg, entry.exp_avg_sq, entry.rounded,
                  {rate, 0.9, 0.999, 1e-8, entry.weight_decay, 0.25 * clip, step});
      if (entry.gradient_sum.defined()) entry.gradient_sum.add_(entry.grad, 0.25);
    }
    EmulatedKernels emulated;
    const auto update = update_by_kernels(emulated, list);
    expect(update != nullptr, "refused");
    const double actual_norm = update->run(rates, mean_scale, loss).item<double>();
    expect(std::fabs(actual_norm - norm) < 1e-6 * norm, "norm ", actual_norm, " against ", norm);
    for (size_t i = 0; i < list.entries.size(); ++i) {
      const auto &a = list.entries[i], &b = expected.entries[i];
      for (const auto& [x, y] : {std::pair(a.value, b.value), {a.exp_avg, b.exp_avg}, {a.exp_avg_sq, b.exp_avg_sq},
                                 {a.grad, b.grad}}) {
        expect_close(x, y, at::kFloat, "parameter " + std::to_string(i));
      }
      if (a.gradient_sum.defined()) expect_close(a.gradient_sum, b.gradient_sum, at::kFloat, "sum of gradients");
      if (!a.rounded.defined()) continue;
      expect(at::equal(a.rounded, a.value.to(at::kBFloat16)), "the copy is not the rounded weight");
    }
    expect(list.entries[0].step.item<float>() == 1 && list.entries[1].step.item<float>() == 42, "step counts");
  }
}

TEST("card kernels: gradients or a loss that are not finite change nothing") {
  const c10::InferenceMode inference;
  const at::Tensor rates = at::ones({3}), mean_scale = at::ones({});
  const double infinite = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [gradient, loss, max_norm] : std::vector<std::tuple<double, double, double>>{
           {nan, 1, 1}, {infinite, 1, 1}, {-infinite, 1, 0}, {1, nan, 1}, {1, -infinite, 0}, {1e19, 1, 0}}) {
    at::manual_seed(9);
    const UpdateList list = make_list(true, max_norm);
    list.entries[2].grad[7] = gradient;
    const UpdateList before = copy_of(list);
    EmulatedKernels emulated;
    const double norm = update_by_kernels(emulated, list)->run(rates, mean_scale, at::full({}, loss)).item<double>();
    expect(gradient == 1 || !(norm < 9e18), "norm ", norm);
    for (size_t i = 0; i < list.entries.size(); ++i) {
      const auto &a = list.entries[i], &b = before.entries[i];
      expect(at::equal(a.value, b.value) && at::equal(a.exp_avg, b.exp_avg) && at::equal(a.exp_avg_sq, b.exp_avg_sq) &&
                 at::equal(a.rounded, b.rounded), "parameter ", i, " has changed");
      expect(!a.gradient_sum.defined() || at::equal(a.gradient_sum, b.gradient_sum), "a sum has changed");
    }
    expect(list.entries[0].step.item<float>() == 0, "a step was counted");
  }
}

}  // namespace
}  // namespace permafrost
