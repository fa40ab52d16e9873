#include "bench/gemm_floor.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "model/encoder.h"
#include "model/layer.h"

namespace permafrost {

namespace {

// Finite in every product, and no subnormal number, which processors are slow with.
constexpr double kFill = 0.0078125;

// The products, each as the model computes it or by one library, counted. T tokens, H hidden, I intermediate, C labels.
class Products {
 public:
  Products(Ops& ops, ProductLibrary* library) : ops_(ops), library_(library) {}

  void forward(const at::Tensor& x_TI, const LinearWeights& weights, at::Tensor& y_TO) {
    count(x_TI.size(0), weights);
    if (library_ != nullptr) return library_->multiply(y_TO, x_TI, weights.weight->operand().t(), false);
    ops_.linear(y_TO, x_TI, *weights.weight);
  }

  // dx = dy W, or dx += dy W where a residual's gradient is there already.
  void activation_gradient(const at::Tensor& dy_TO, const LinearWeights& weights, bool add, at::Tensor& dx_TI) {
    count(dy_TO.size(0), weights);
    if (library_ != nullptr) return library_->multiply(dx_TI, dy_TO, weights.weight->operand(), add);
    ops_.linear_backward(dx_TI, dy_TO, *weights.weight, add);
  }

  // dW = dy^T x, where the weight learns.
  void weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const LinearWeights& weights,
                       at::Tensor& grad_OI) {
    if (!weights.weight->requires_grad) return;
    count(dy_TO.size(0), weights);
    if (library_ != nullptr && x_TI.scalar_type() == grad_OI.scalar_type()) {
      return library_->multiply(grad_OI, dy_TO.t(), x_TI, false);
    }
    ops_.weight_gradient(dy_TO, x_TI, {grad_OI, false});
  }

  double flops() const { return flops_; }
  int64_t products() const { return products_; }

 private:
  void count(int64_t num_tokens, const LinearWeights& weights) {
    flops_ += 2.0 * static_cast<double>(num_tokens) * static_cast<double>(weights.weight->value.numel());
    ++products_;
  }

  Ops& ops_;
  ProductLibrary* library_;
  double flops_ = 0;
  int64_t products_ = 0;
};

// Inputs and outputs of all products. Layers share them, as a step's layers share the pool's blocks.
struct Buffers {
  at::Tensor x_TH, y_TH, qkv_T3H, middle_TI;
  // Of the tokens that are scored.
  at::Tensor x_RH, y_RH, middle_RI;
  at::Tensor qkv_grad, output_grad, up_grad, down_grad;
  // Of each of the head's maps.
  std::vector<at::Tensor> head_outputs, head_grads;

  Buffers(Model& model, int64_t num_tokens, int64_t scored_tokens) {
    const EncoderConfig& config = model.config;
    const auto filled = [&](at::IntArrayRef sizes) {
      at::Tensor buffer = model.buffers.empty(sizes);
      buffer.fill_(kFill);
      return buffer;
    };
    x_TH = filled({num_tokens, config.hidden_size});
    y_TH = filled({num_tokens, config.hidden_size});
    qkv_T3H = filled({num_tokens, 3 * config.hidden_size});
    middle_TI = filled({num_tokens, config.intermediate_size});
    x_RH = x_TH.slice(0, 0, scored_tokens);
    y_RH = y_TH.slice(0, 0, scored_tokens);
    middle_RI = middle_TI.slice(0, 0, scored_tokens);
    qkv_grad = filled({3 * config.hidden_size, config.hidden_size});
    output_grad = filled({config.hidden_size, config.hidden_size});
    up_grad = filled({config.intermediate_size, config.hidden_size});
    down_grad = filled({config.hidden_size, config.intermediate_size});
    for (const LinearWeights& map : model.head->linear_maps()) {
      head_outputs.push_back(filled({scored_tokens, map.weight->value.size(0)}));
      head_grads.push_back(filled(map.weight->value.sizes()));
    }
  }
};

// `last`: of the layer that goes on with the scored tokens alone.
void layer_products(Products& products, const LayerWeights& weights, bool last, Buffers& buffers) {
  const at::Tensor& x = last ? buffers.x_RH : buffers.x_TH;
  at::Tensor& y = last ? buffers.y_RH : buffers.y_TH;
  at::Tensor& middle = last ? buffers.middle_RI : buffers.middle_TI;
  products.forward(buffers.x_TH, weights.qkv, buffers.qkv_T3H);
  products.forward(x, weights.output, y);
  products.forward(x, weights.up, middle);
  products.forward(middle, weights.down, y);
}

void layer_backward_products(Products& products, const LayerWeights& weights, bool last, bool input_wanted,
                             Buffers& buffers) {
  const LayerNeeds needs(weights, input_wanted);
  const at::Tensor& x = last ? buffers.x_RH : buffers.x_TH;
  at::Tensor& y = last ? buffers.y_RH : buffers.y_TH;
  at::Tensor& middle = last ? buffers.middle_RI : buffers.middle_TI;
  products.weight_gradient(x, middle, weights.down, buffers.down_grad);
  if (!needs.feed_forward) return;
  products.activation_gradient(x, weights.down, false, middle);
  products.weight_gradient(middle, x, weights.up, buffers.up_grad);
  if (!needs.middle) return;
  products.activation_gradient(middle, weights.up, true, y);
  products.weight_gradient(x, y, weights.output, buffers.output_grad);
  if (!needs.attention) return;
  products.activation_gradient(x, weights.output, false, y);
  products.weight_gradient(buffers.qkv_T3H, buffers.x_TH, weights.qkv, buffers.qkv_grad);
  if (needs.input) products.activation_gradient(buffers.qkv_T3H, weights.qkv, true, buffers.y_TH);
}

void head_products(Products& products, const std::vector<LinearWeights>& maps, bool input_wanted, Buffers& buffers) {
  const auto input_of = [&](size_t i) -> at::Tensor& { return i == 0 ? buffers.x_RH : buffers.head_outputs[i - 1]; };
  for (size_t i = 0; i < maps.size(); ++i) products.forward(input_of(i), maps[i], buffers.head_outputs[i]);
  for (size_t i = maps.size(); i-- > 0;) {
    products.weight_gradient(buffers.head_outputs[i], input_of(i), maps[i], buffers.head_grads[i]);
    if (i > 0 || input_wanted) {
      products.activation_gradient(buffers.head_outputs[i], maps[i], false, i > 0 ? input_of(i) : buffers.y_RH);
    }
  }
}

void step_products(Products& products, const Model& model, Buffers& buffers) {
  const Parameters& parameters = model.parameters;
  const int64_t prefix = frozen_prefix(parameters);
  const auto num_layers = static_cast<int64_t>(parameters.layers.size());
  // A frozen prefix gives the output of every token.
  const auto is_last = [&](int64_t layer) { return layer + 1 == num_layers && layer >= prefix; };
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    layer_products(products, parameters.layers[static_cast<size_t>(layer)], is_last(layer), buffers);
  }
  head_products(products, model.head->linear_maps(), prefix < num_layers, buffers);
  if (prefix >= num_layers) return;
  for (int64_t layer = num_layers - 1; layer >= std::max<int64_t>(prefix, 0); --layer) {
    layer_backward_products(products, parameters.layers[static_cast<size_t>(layer)], is_last(layer), layer > prefix,
                            buffers);
  }
}

// Waits for a device that computes behind the caller's back: reading a value back does on every device.
void finish(const Buffers& buffers) { buffers.y_TH[0][0].item<float>(); }

// The library of that name; null for none.
ProductLibrary* library_of(Ops& ops, const std::string& name) {
  if (name.empty()) return nullptr;
  std::string known;
  for (ProductLibrary* library : ops.product_libraries()) {
    if (name == library->name()) return library;
    known += (known.empty() ? "" : ", ") + std::string(library->name());
  }
  fail(ErrorCode::INVALID_OPTION, "library: expected one of ", known.empty() ? "none" : known, ", got '", name, "'.");
}

}  // namespace

ProductTiming time_step_products(Model& model, int64_t num_tokens, int64_t scored_tokens, const std::string& library) {
  check(num_tokens >= 1, ErrorCode::INVALID_OPTION, "numTokens: expected a whole number from 1, got ", num_tokens, ".");
  check(scored_tokens >= 1 && scored_tokens <= num_tokens, ErrorCode::INVALID_OPTION,
        "scoredTokens: expected a whole number from 1 to numTokens, ", num_tokens, ", got ", scored_tokens, ".");
  model.round_weights();
  Buffers buffers(model, num_tokens, scored_tokens);
  Products products(*model.ops, library_of(*model.ops, library));
  finish(buffers);
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  step_products(products, model, buffers);
  finish(buffers);
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  ProductTiming timing{elapsed.count(), products.flops(), products.products(), {}};
  for (const ProductLibrary* known : model.ops->product_libraries()) timing.libraries.emplace_back(known->name());
  return timing;
}

}  // namespace permafrost
