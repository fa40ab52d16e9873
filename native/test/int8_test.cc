// Linear maps of 8 bits: the kernels of every instruction level against libtorch's operations, and models of them.
#include <tuple>
#include <vector>

#include "model/initialise.h"
#include "model/model.h"
#include "ops/cpu/fused_cpu_ops.h"
#include "ops/plain/plain_ops.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;

std::vector<const char*> levels() {
  std::vector<const char*> result;
  for (const char* level : {"baseline", "avx2", "avx512", "avx512vnni", "avx512bf16"}) {
    if (cpu_kernels_of(level) != nullptr) result.push_back(level);
  }
  return result;
}

// W as a model of 8 bits keeps it.
Parameter parameter_of(Ops& ops, const at::Tensor& weight_OI) {
  Parameter weight;
  weight.shape = weight_OI.sizes().vec();
  weight.value = weight_OI;
  weight.int8 = ops.pack(round_to_int8(weight_OI));
  return weight;
}

at::Tensor multiply(Ops& ops, const at::Tensor& x_TI, const at::Tensor& weight_OI) {
  at::Tensor y_TO = at::full({x_TI.size(0), weight_OI.size(0)}, 7.0f);
  ops.linear(y_TO, x_TI, parameter_of(ops, weight_OI), false);
  return y_TO;
}

// One unit of a sum of products, of which results that rest on the same integers differ by far less.
at::Tensor unit_of(const at::Tensor& x_TI, const at::Tensor& weight_OI) {
  return (x_TI.amax(1, true) - x_TI.amin(1, true)) / 254 * round_to_int8(weight_OI).scale_O;
}

TEST("products of 8 bits rest on the same integers at every instruction level, whatever the shapes") {
  const c10::InferenceMode inference;
  at::manual_seed(3);
  for (const auto& [T, O, I] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {1, 1, 1}, {2, 3, 5}, {7, 16, 64}, {13, 33, 100}, {40, 72, 130}, {5, 130, 768}, {70, 24, 257}}) {
    const at::Tensor x_TI = at::randn({T, I + 3}).slice(1, 2, I + 2) * 3 + 0.5, weight_OI = at::randn({O, I});
    PlainOps plain;
    const at::Tensor expected = multiply(plain, x_TI, weight_OI), unit = unit_of(x_TI, weight_OI);
    const at::Tensor exact = at::mm(x_TI, weight_OI.t());
    expect((expected - exact).abs().max().item<double>() < 0.02 * static_cast<double>(I), "rounding changes too much");
    for (const char* level : levels()) {
      FusedCpuOps fused(*cpu_kernels_of(level));
      const at::Tensor off = (multiply(fused, x_TI, weight_OI) - expected).abs() / (unit + 1e-6 * expected.abs() + 1e-12);
      expect(off.max().item<double>() < 0.5, level, ", ", T, " x ", O, " x ", I, ": off by ", off.max().item<double>(), " units");
    }
  }
}

TEST("products of 8 bits do not overflow where all factors are as large as they can be") {
  const c10::InferenceMode inference;
  constexpr int64_t kInputs = 4096;
  at::Tensor x_TI = at::ones({3, kInputs}), weight_OI = at::ones({5, kInputs});
  x_TI[1].neg_();
  // The sign in turn: pairs of the same sign beside one another, and of opposite ones.
  x_TI[2].slice(0, 0, kInputs, 2).neg_();
  weight_OI[1].neg_();
  weight_OI[2].slice(0, 0, kInputs, 2).neg_();
  weight_OI[3].slice(0, 0, kInputs / 2).neg_();
  // A number of the other sign, so that the middle of the range is zero and all others are at its ends.
  x_TI[0][7] = -1;
  x_TI[1][7] = 1;
  const at::Tensor exact = at::mm(x_TI, weight_OI.t());
  for (const char* level : levels()) {
    FusedCpuOps fused(*cpu_kernels_of(level));
    const double off = (multiply(fused, x_TI, weight_OI) - exact).abs().max().item<double>();
    expect(off < 0.05, level, ": off by ", off);
  }
}

TEST("a product of 8 bits ends with bias and activation, and takes the first rows of a weight") {
  const c10::InferenceMode inference;
  at::manual_seed(5);
  const at::Tensor x_TI = at::randn({19, 40}), weight_OI = at::randn({45, 40});
  Parameter bias;
  bias.value = at::randn({45});
  for (const char* level : levels()) {
    FusedCpuOps fused(*cpu_kernels_of(level));
    const at::Tensor sums_TO = multiply(fused, x_TI, weight_OI);
    const Parameter weight = parameter_of(fused, weight_OI);
    for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::relu}) {
      at::Tensor y_TO = at::empty({19, 45}), pre_TO = sums_TO.clone(), expected_TO = at::empty({19, 45});
      fused.linear_activated(y_TO, x_TI, weight, bias, activation, false);
      PlainOps().activate(pre_TO, bias.value, activation, expected_TO);
      expect((y_TO - expected_TO).abs().max().item<double>() < 1e-4, level, ": the activation differs");
    }
    at::Tensor first_TO = at::empty({19, 13});
    fused.linear(first_TO, x_TI, weight, false);
    expect(at::equal(first_TO, sums_TO.slice(1, 0, 13)), level, ": the first rows give other sums");
  }
}

TEST("a row of a product of 8 bits has the same bits by itself, and tells of numbers that are not finite") {
  const c10::InferenceMode inference;
  at::manual_seed(4);
  const at::Tensor x_TI = at::randn({37, 96}), weight_OI = at::randn({80, 96});
  x_TI[5].fill_(0.25);
  x_TI[6].zero_();
  for (const char* level : levels()) {
    FusedCpuOps fused(*cpu_kernels_of(level));
    const at::Tensor all = multiply(fused, x_TI, weight_OI);
    for (const int64_t row : {0, 5, 17, 36}) {
      expect(at::equal(multiply(fused, x_TI.slice(0, row, row + 1), weight_OI)[0], all[row]), level, ", row ", row);
    }
    expect(all[6].abs().max().item<double>() == 0, level, ": a row of zeros gives zeros");
    for (const int64_t place : {0, 50}) {
      at::Tensor broken = x_TI.clone();
      broken[3][place] = std::nanf("");
      broken[4][place] = INFINITY;
      const at::Tensor y = multiply(fused, broken, weight_OI);
      expect(!y[3].isfinite().any().item<bool>() && !y[4].isfinite().any().item<bool>(), level, ": NaN is lost");
      expect(at::equal(y[5], all[5]), level, ": the next row is changed");
    }
  }
}

struct Made {
  Made(const EncoderConfig& config, Kernels kernels, at::ScalarType precision) : model(config, at::kCPU, kernels, precision) {
    initialise(model.parameters, model.config, 7, {});
  }
  Model model;
};

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST("a model in int8 scores as one in fp32 within its rounding, alike by plain and fused operations") {
  const c10::InferenceMode inference;
  EncoderConfig relative = testing::small_bert(0);
  relative.model_type = "deberta-v2";
  relative.type_vocab_size = 0;
  relative.relative = RelativeAttention{8, 32, true, true, true};
  for (const EncoderConfig& config : {testing::small_bert(0), testing::small_config(0), relative}) {
    Made exact(config, Kernels::fused, at::kFloat), plain(config, Kernels::plain, at::kChar);
    Made fused(config, Kernels::fused, at::kChar);
    const PackedBatch batch = testing::small_batch();
    const at::Tensor expected = exact.model.logits(batch), scores = fused.model.logits(batch);
    const double largest = expected.abs().max().item<double>();
    const double rounding = largest_difference(scores, expected);
    expect(rounding > 1e-4 * largest && rounding < 0.05 * largest, "rounding changes scores by ", rounding, " of ", largest);
    const double kernels = largest_difference(scores, plain.model.logits(batch));
    expect(kernels < 0.02 * largest, "plain and fused differ by ", kernels, " of ", largest);
  }
}

TEST("a model in int8 multiplies by new weights once they are written, and is not trained") {
  const c10::InferenceMode inference;
  const EncoderConfig config = testing::small_bert(0);
  Made made(config, Kernels::fused, at::kChar), other(config, Kernels::fused, at::kChar);
  const PackedBatch batch = testing::small_batch();
  const at::Tensor before = made.model.logits(batch);
  for (Made* one : {&made, &other}) one->model.parameters.layers[1].up.weight->value.mul_(-1.5);
  made.model.weights_changed();
  const at::Tensor after = made.model.logits(batch);
  expect(largest_difference(after, before) > 1e-3, "the old weights are still there");
  expect(at::equal(after, other.model.logits(batch)), "the new weights give other scores than from the beginning");
  expect(testing::thrown_code([&] { Trainer(made.model, TrainerOptions{}); }) == ErrorCode::INVALID_OPTION,
         "a model in int8 is trained");
}

}  // namespace
}  // namespace permafrost
