// The yardstick computes the products of a step, no more and no fewer.
#include "bench/gemm_floor.h"
#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "test/testing.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::thrown_code;

constexpr int64_t kTokens = 11;
constexpr int64_t kHidden = 16, kIntermediate = 48, kLabels = 3, kLayers = 3;
constexpr double kLayerWeights = 4 * kHidden * kHidden + 2 * kHidden * kIntermediate;

struct Fixture {
  Model model;

  Fixture() : model(config(), at::kCPU, Kernels::fused) { initialise(model.parameters, model.config, 1, {}); }

  static EncoderConfig config() {
    EncoderConfig config;
    config.model_type = "bert";
    config.vocab_size = 20;
    config.embedding_size = config.hidden_size = kHidden;
    config.num_layers = kLayers;
    config.num_heads = 2;
    config.intermediate_size = kIntermediate;
    config.max_positions = 32;
    config.type_vocab_size = 2;
    config.num_labels = kLabels;
    return config;
  }

  ProductTiming under(bool embeddings, std::vector<uint8_t> layers, std::vector<uint8_t> parts = {0, 0, 0}) {
    apply_plan(model.parameters, {embeddings, std::move(layers), std::move(parts)}, nullptr);
    return time_step_products(model, kTokens, kTokens);
  }
};

void expect_products(const ProductTiming& timing, double multiply_adds, int64_t products) {
  const double flops = 2.0 * kTokens * multiply_adds;
  expect(timing.flops == flops, "expected ", flops, " operations, got ", timing.flops);
  expect(timing.products == products, "expected ", products, " products, got ", timing.products);
  expect(timing.seconds > 0, "expected a time, got ", timing.seconds);
}

TEST("the yardstick computes three products a linear map where everything learns") {
  Fixture fixture;
  expect_products(fixture.under(false, {0, 0, 0}), 3 * (kLayers * kLayerWeights + kLabels * kHidden),
                  3 * (4 * kLayers + 1));
}

TEST("the yardstick leaves out the backward pass of a frozen prefix and the lowest gradient of an input") {
  Fixture fixture;
  const double lowest_input = 3 * kHidden * kHidden;
  expect_products(fixture.under(true, {1, 0, 0}),
                  kLayers * kLayerWeights + 4 * kLayerWeights - lowest_input + 3 * kLabels * kHidden,
                  12 + 2 * 8 - 1 + 3);
  expect_products(fixture.under(true, {1, 1, 1}), kLayers * kLayerWeights + 2 * kLabels * kHidden, 12 + 2);
}

TEST("the yardstick keeps the gradients of activations of layers frozen on top, not those of their weights") {
  Fixture fixture;
  expect_products(fixture.under(false, {0, 1, 1}), 7 * kLayerWeights + 3 * kLabels * kHidden, 12 + 12 + 4 + 3);
}

TEST("the yardstick goes down to the lowest part that learns") {
  Fixture fixture;
  // In layer 0 only the feed-forward weights and the LayerNorms learn: nothing of attention is computed backwards.
  expect_products(fixture.under(true, {0, 0, 0}, {kAttention, 0, 0}),
                  kLayers * kLayerWeights + 4 * kLayerWeights + 4.0 * kHidden * kIntermediate + 3 * kLabels * kHidden,
                  12 + 16 + 4 + 3);
}

TEST("the yardstick's last layer goes on with the labelled tokens alone, unless it belongs to the frozen prefix") {
  Fixture fixture;
  constexpr int64_t kScored = 4;
  const double behind = kHidden * kHidden + 2.0 * kHidden * kIntermediate, head = kLabels * kHidden;
  apply_plan(fixture.model.parameters, {false, {0, 0, 0}, {0, 0, 0}}, nullptr);
  const ProductTiming some = time_step_products(fixture.model, kTokens, kScored);
  const double all = 3.0 * kTokens * kLayers * kLayerWeights;
  expect(some.flops == 2 * (all - 3 * (kTokens - kScored) * behind + 3 * kScored * head), "got ", some.flops);
  apply_plan(fixture.model.parameters, {true, {1, 1, 1}, {0, 0, 0}}, nullptr);
  const ProductTiming frozen = time_step_products(fixture.model, kTokens, kScored);
  expect(frozen.flops == 2 * (kTokens * kLayers * kLayerWeights + 2 * kScored * head), "got ", frozen.flops);
}

TEST("the yardstick scores hidden tokens alone, with their embeddings as decoder") {
  EncoderConfig config = Fixture::config();
  config.head = "masked-lm";
  config.num_labels = config.vocab_size;
  Model model(config, at::kCPU, Kernels::fused);
  constexpr int64_t kScored = 2;
  const double head = 3.0 * kScored * (kHidden * kHidden + kHidden * static_cast<double>(config.vocab_size));
  const ProductTiming timing = time_step_products(model, kTokens, kScored);
  const double layers = kTokens * kLayers * kLayerWeights - (kTokens - kScored) * (kHidden * kHidden + 2.0 * kHidden * kIntermediate);
  expect(timing.flops == 2 * (3 * layers + head), "got ", timing.flops);
  expect(timing.products == 3 * (4 * kLayers + 2), "got ", timing.products);
}

TEST("the yardstick changes no weight and leaves no gradient") {
  Fixture fixture;
  std::vector<at::Tensor> before;
  for (const Parameter& parameter : fixture.model.parameters.stored()) before.push_back(parameter.value.clone());
  fixture.under(false, {0, 0, 0});
  size_t i = 0;
  for (const Parameter& parameter : fixture.model.parameters.stored()) {
    expect(parameter.value.equal(before[i++]), "a weight changed");
    expect(!parameter.grad.defined(), "a gradient was left");
  }
}

TEST("the yardstick refuses a step of no tokens") {
  Fixture fixture;
  const ErrorCode code = thrown_code([&] { time_step_products(fixture.model, 0, 0); });
  expect(code == ErrorCode::INVALID_OPTION, "expected INVALID_OPTION, got ", code_name(code));
}

}  // namespace
}  // namespace permafrost
