// The model's weights: what is stored, what learns, and under which names the world knows it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "model/architecture.h"
#include "model/config.h"
#include "ops/int8_weight.h"

namespace permafrost {

// Where a weight sits. Layers are numbered from 0; the embeddings lie below them, the head above.
constexpr int64_t kEmbeddings = -1;

// The parts of a layer that a plan can freeze by themselves, as bits.
enum LayerPart : uint8_t {
  kAttention = 1,
  kFeedForward = 2,
  kLayerNorm = 4,
  kBias = 8,
};

struct Packings;

// One stored tensor. Query, key and value of a layer are one tensor of three blocks of rows, so that
// one matrix product computes all three.
struct Parameter {
  std::vector<int64_t> shape;
  // Undefined until Parameters::allocate.
  at::Tensor value;
  // What matrix products read at a lower precision than fp32: a rounded copy of `value`. Undefined otherwise.
  at::Tensor rounded;
  // What they read instead in a model of 8 bits, where it is a linear map's of the encoder.
  std::optional<Int8Weight> int8;
  // What products/ made of the value for itself; whoever changes the value drops it.
  mutable std::shared_ptr<Packings> packings;
  // Whether matrix products read this parameter.
  bool in_products = false;
  // Defined only while the parameter learns and a gradient was computed since.
  at::Tensor grad;
  // Whether a step reads, and has gradients of, few of the rows: those of the batch's tokens. The gradient is zero
  // outside `grad_rows` then, whose rows are distinct.
  bool by_rows = false;
  std::vector<int32_t> grad_rows;
  bool requires_grad = true;
  // Whether the head reads it as well, all rows of it, and leaves its part of the gradient first.
  bool tied = false;
  // Weight decay spares biases and LayerNorm weights.
  bool decays = false;
  // kEmbeddings, 0 .. numLayers - 1, or numLayers for the head.
  int64_t layer = 0;
  // Parts of the layer that this belongs to.
  uint8_t parts = 0;

  const at::Tensor& operand() const { return rounded.defined() ? rounded : value; }
  // Its first rows as a product reads them.
  at::Tensor rows(int64_t count) const { return count == shape[0] ? operand() : operand().slice(0, 0, count); }
  // Whether the trainer that there is changes it.
  bool learns() const { return requires_grad && grad.defined(); }
  // Brings `rounded` up to date.
  void round(at::ScalarType type) {
    if (!rounded.defined()) rounded = at::empty(value.sizes(), value.options().dtype(type));
    rounded.copy_(value);
  }
};

// A Hugging Face name and the rows of the stored tensor that it stands for.
struct NamedParameter {
  std::string name;
  Parameter* parameter;
  int64_t row_begin;
  int64_t row_end;
  std::vector<int64_t> shape;

  at::Tensor view(const at::Tensor& whole) const { return whole.slice(0, row_begin, row_end); }
  int64_t count() const;
};

struct LinearWeights {
  Parameter* weight = nullptr;  // [out, in]
  Parameter* bias = nullptr;    // [out]
};

struct NormWeights {
  Parameter* weight = nullptr;  // [hidden]
  Parameter* bias = nullptr;    // [hidden]
};

// E is the width of the embeddings. Null where the family has no such tensor.
struct EmbeddingWeights {
  Parameter* word = nullptr;        // [vocab, E]
  Parameter* position = nullptr;    // [positions, E]
  Parameter* token_type = nullptr;  // [types, E]
  NormWeights norm;                 // [E]
  LinearWeights project;            // [hidden, E], where E is not the layers' width
};

// Embeddings of distances; null where attention is not disentangled. They stand outside the layers and are
// frozen with the embeddings.
struct RelativeWeights {
  Parameter* embeddings = nullptr;  // [2 * span, hidden]
  NormWeights norm;
};

struct LayerWeights {
  LinearWeights qkv;     // [3 * hidden, hidden]
  LinearWeights output;  // [hidden, hidden]
  NormWeights attention_norm;
  LinearWeights up;    // [intermediate, hidden]
  LinearWeights down;  // [hidden, intermediate]
  NormWeights output_norm;
};

class Parameters {
 public:
  // Those of embeddings and layers, to which a head adds its own; names and shapes, without memory.
  explicit Parameters(const EncoderConfig& config);
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  // Declares a parameter under a Hugging Face name. To be called while the model is made, in the order of
  // named_parameters().
  Parameter* add(const std::string& name, std::vector<int64_t> shape, int64_t layer, uint8_t parts = 0);
  LinearWeights add_linear(const std::string& name, int64_t out, int64_t in, int64_t layer, uint8_t parts = 0);
  NormWeights add_norm(const std::string& name, int64_t size, int64_t layer);

  // The matrices of the encoder's linear maps.
  std::vector<Parameter*> linear_maps() const;

  // Makes all that is declared zeros on the device.
  void allocate(at::Device device);

  EmbeddingWeights embeddings;
  std::vector<LayerWeights> layers;
  RelativeWeights relative;

  // In the order of Hugging Face's named_parameters().
  const std::vector<NamedParameter>& named() const { return named_; }
  // Throws INVALID_OPTION where there is no such name.
  const NamedParameter& named(const std::string& name) const;
  std::deque<Parameter>& stored() { return stored_; }
  const std::deque<Parameter>& stored() const { return stored_; }

 private:
  Parameter* store(const std::vector<int64_t>& shape, int64_t layer, uint8_t parts);
  void name(const std::string& name, Parameter* parameter, int64_t row_begin, int64_t row_end);
  void add_embeddings(const EncoderConfig& config, const Architecture& names);
  void add_layer(const EncoderConfig& config, const Architecture& names, int64_t layer);
  void add_relative(const EncoderConfig& config, const Architecture& names);

  std::deque<Parameter> stored_;  // addresses stay valid
  std::vector<NamedParameter> named_;
};

}  // namespace permafrost
