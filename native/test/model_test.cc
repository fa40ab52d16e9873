// The whole model against libtorch's autograd on the same weights, and what freezing leaves out.
#include <torch/torch.h>

#include <map>

#include "freezing/apply_plan.h"
#include "model/architecture.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost {
namespace {

using testing::expect;
using testing::small_batch;
using testing::small_config;
using testing::thrown_code;

// Labels of some tokens only, among them of the pad id 0, which the lookup gives no gradient and the decoder does.
PackedBatch masked_batch() {
  PackedBatch batch = small_batch();
  for (size_t t = 0; t < batch.labels.size(); ++t) {
    batch.labels[t] = t % 3 == 0 ? static_cast<int32_t>((t * 7) % 50) : kIgnoredLabel;
  }
  batch.input_ids[4] = 0;
  return batch;
}

EncoderConfig masked_lm(EncoderConfig config) {
  config.head = "masked-lm";
  config.num_labels = config.vocab_size;
  return config;
}

// BertForTokenClassification or BertForMaskedLM written down with torch's own functions, one sequence at a time,
// dropout off.
torch::Tensor reference_loss(const std::map<std::string, torch::Tensor>& w, const EncoderConfig& config,
                             const PackedBatch& batch) {
  namespace F = torch::nn::functional;
  const auto linear = [&](const torch::Tensor& x, const std::string& name) {
    return torch::linear(x, w.at(name + ".weight"), w.at(name + ".bias"));
  };
  const auto norm = [&](const torch::Tensor& x, const std::string& name) {
    return torch::layer_norm(x, {config.hidden_size}, w.at(name + ".weight"), w.at(name + ".bias"),
                             config.layer_norm_eps);
  };
  std::vector<torch::Tensor> logits;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const int64_t begin = batch.cu_seqlens[s], n = batch.cu_seqlens[s + 1] - begin;
    std::vector<int64_t> ids(batch.input_ids.begin() + begin, batch.input_ids.begin() + begin + n);
    const std::string e = "bert.embeddings.";
    torch::Tensor x = torch::embedding(w.at(e + "word_embeddings.weight"), torch::tensor(ids), config.pad_token_id) +
                      w.at(e + "position_embeddings.weight").slice(0, 0, n) +
                      w.at(e + "token_type_embeddings.weight")[0];
    x = norm(x, e + "LayerNorm");
    for (int64_t i = 0; i < config.num_layers; ++i) {
      const std::string p = "bert.encoder.layer." + std::to_string(i) + ".";
      const auto heads = [&](const std::string& name) {
        return linear(x, p + "attention.self." + name).view({n, config.num_heads, -1}).transpose(0, 1);
      };
      const torch::Tensor scores = heads("query").matmul(heads("key").transpose(1, 2)) / std::sqrt(8.0);
      const torch::Tensor context = scores.softmax(-1).matmul(heads("value")).transpose(0, 1).reshape({n, -1});
      x = norm(x + linear(context, p + "attention.output.dense"), p + "attention.output.LayerNorm");
      x = norm(x + linear(torch::gelu(linear(x, p + "intermediate.dense")), p + "output.dense"), p + "output.LayerNorm");
    }
    if (config.head == "masked-lm") {
      const std::string p = "cls.predictions.";
      x = norm(torch::gelu(linear(x, p + "transform.dense")), p + "transform.LayerNorm");
      logits.push_back(torch::linear(x, w.at(e + "word_embeddings.weight"), w.at(p + "bias")));
    } else {
      logits.push_back(linear(x, "classifier"));
    }
  }
  std::vector<int64_t> labels(batch.labels.begin(), batch.labels.end());
  return F::cross_entropy(torch::cat(logits), torch::tensor(labels), F::CrossEntropyFuncOptions().ignore_index(-100));
}

// Each named parameter as a leaf of autograd.
std::map<std::string, torch::Tensor> leaves(const Model& model) {
  std::map<std::string, torch::Tensor> result;
  for (const NamedParameter& named : model.parameters.named()) {
    result[named.name] = named.view(named.parameter->value).clone().set_requires_grad(true);
  }
  return result;
}

void expect_gradients(Kernels kernels, const FreezePlan& plan, const EncoderConfig& config, const PackedBatch& batch) {
  Model model(config, at::kCPU, kernels);
  initialise(model.parameters, model.config, 3, {});
  apply_plan(model.parameters, plan, nullptr);
  const auto weights = leaves(model);
  const torch::Tensor loss = reference_loss(weights, model.config, batch);
  loss.backward();

  TrainerOptions options;
  options.learning_rate = 0;
  Trainer trainer(model, options);
  const std::vector<double> norms = trainer.gradient_norms(batch);
  for (size_t i = 0; i < norms.size(); ++i) {
    const NamedParameter& named = model.parameters.named()[i];
    if (!named.parameter->requires_grad) {
      expect(std::isnan(norms[i]) && !named.parameter->grad.defined(), named.name, " is frozen but has a gradient");
      continue;
    }
    const double difference =
        (named.view(named.parameter->grad) - weights.at(named.name).grad()).abs().max().item<double>();
    expect(difference < 2e-6, named.name, " differs from autograd by ", difference);
  }
}

FreezePlan plan_of(bool embeddings, std::vector<uint8_t> layers, std::vector<uint8_t> parts) {
  return {embeddings, std::move(layers), std::move(parts)};
}

EncoderConfig config_of(const std::string& model_type, double dropout) {
  EncoderConfig config = small_config(dropout);
  config.model_type = model_type;
  if (model_type == "electra") config.embedding_size = 16;
  if (model_type == "distilbert" || model_type == "deberta-v2") config.type_vocab_size = 0;
  if (model_type == "deberta-v2") config.relative = RelativeAttention{8, 32, true, true, true};
  return config;
}

const char* const kModelTypes[] = {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "deberta-v2"};

std::vector<FreezePlan> various_plans() {
  return {
      plan_of(false, {0, 0, 0}, {0, 0, 0}),
      plan_of(true, {0, 0, 0}, {0, 0, 0}),
      plan_of(true, {1, 0, 0}, {0, 0, 0}),
      plan_of(true, {0, 1, 1}, {0, 0, 0}),
      plan_of(true, {1, 1, 1}, {0, 0, 0}),
      plan_of(false, {1, 0, 1}, {0, 0, 0}),
      plan_of(true, {1, 0, 0}, {0, kAttention, kFeedForward}),
      plan_of(true, {1, 0, 0}, {0, kAttention | kFeedForward, kLayerNorm | kBias}),
      plan_of(true, {1, 0, 0}, {0, kAttention | kLayerNorm, kBias}),
  };
}

TEST("gradients equal autograd's, whatever is frozen") {
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    for (const FreezePlan& plan : various_plans()) {
      expect_gradients(kernels, plan, small_config(0), small_batch());
      expect_gradients(kernels, plan, masked_lm(small_config(0)), masked_batch());
    }
  }
}

TEST("the scores of hidden tokens give the same in parts as at once") {
  // More scores than are computed at once: a vocabulary of 2^18 + 1 tokens leaves 15 rows a part.
  EncoderConfig config = small_config(0);
  config.vocab_size = (1 << 18) + 1;
  config.embedding_size = config.hidden_size = 6;
  config.num_layers = 1;
  config.num_heads = 1;
  PackedBatch all = small_batch();
  for (size_t t = 0; t < all.labels.size(); ++t) all.labels[t] = static_cast<int32_t>(t * 11);
  Model model(masked_lm(config), at::kCPU, Kernels::fused);
  initialise(model.parameters, model.config, 3, {});
  expect(all.num_tokens() > rows_scored_at_once(model.config), "the batch is one part");

  const auto gradients_of = [&](size_t begin, size_t end) {
    PackedBatch part = all;
    for (size_t t = 0; t < part.labels.size(); ++t) {
      if (t < begin || t >= end) part.labels[t] = kIgnoredLabel;
    }
    Trainer(model, TrainerOptions{}).gradient_norms(part);
    std::vector<at::Tensor> gradients;
    for (const Parameter& parameter : model.parameters.stored()) gradients.push_back(parameter.grad.clone());
    return gradients;
  };
  // A mean over all is the mean of the means over two halves, each of which is one part.
  const std::vector<at::Tensor> whole = gradients_of(0, 20), first = gradients_of(0, 10), second = gradients_of(10, 20);
  for (size_t i = 0; i < whole.size(); ++i) {
    const double difference = (whole[i] - (first[i] + second[i]) / 2).abs().max().item<double>();
    expect(difference < 1e-6, "gradient ", i, " differs by ", difference);
  }
  const double loss = model.loss({all}, [] {}).loss;
  const at::Tensor log_probabilities = at::log_softmax(model.logits(all), 1);
  double reference = 0;
  for (int64_t t = 0; t < 20; ++t) reference -= log_probabilities[t][all.labels[static_cast<size_t>(t)]].item<double>();
  expect(std::abs(loss - reference) < 1e-4, "loss ", loss, ", expected ", reference);
}

TEST("in every family, freezing leaves the gradients of the rest as they are") {
  const PackedBatch batch = small_batch();
  for (const char* model_type : kModelTypes) {
    for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
      Model model(config_of(model_type, 0.2), at::kCPU, kernels);
      initialise(model.parameters, model.config, 3, {});
      std::map<const Parameter*, at::Tensor> unfrozen;
      for (const FreezePlan& plan : various_plans()) {
        apply_plan(model.parameters, plan, nullptr);
        // A fresh trainer draws the same masks.
        Trainer(model, {}).gradient_norms(batch);
        for (const Parameter& parameter : model.parameters.stored()) {
          expect(parameter.requires_grad == parameter.grad.defined(), model_type, ": gradient of a frozen parameter");
          if (!parameter.requires_grad) continue;
          if (unfrozen.count(&parameter) == 0) unfrozen[&parameter] = parameter.grad.clone();
          const double difference = (parameter.grad - unfrozen[&parameter]).abs().max().item<double>();
          expect(difference < 1e-6, model_type, ": a gradient in layer ", parameter.layer, " moved by ", difference);
        }
      }
    }
  }
}

// Central differences along a random direction, in float32: a coarse check that no term is missing.
TEST("in every family, gradients are the slopes of the loss") {
  const PackedBatch batch = small_batch();
  for (const char* model_type : kModelTypes) {
    Model model(config_of(model_type, 0), at::kCPU, Kernels::fused);
    initialise(model.parameters, model.config, 3, {});
    Trainer trainer(model, {});
    const auto loss = [&] {
      TrainerOptions still;
      still.learning_rate = 0;
      return Trainer(model, still).step(batch, {true}).loss;
    };
    trainer.gradient_norms(batch);
    at::manual_seed(8);
    for (Parameter& parameter : model.parameters.stored()) {
      const at::Tensor direction = at::randn_like(parameter.value) / std::sqrt(static_cast<double>(parameter.value.numel()));
      const double slope = (parameter.grad * direction).sum().item<double>();
      constexpr double kStep = 1e-2;
      const at::Tensor value = parameter.value.clone();
      parameter.value.copy_(value + kStep * direction);
      const double above = loss();
      parameter.value.copy_(value - kStep * direction);
      const double below = loss();
      parameter.value.copy_(value);
      trainer.gradient_norms(batch);
      const double measured = (above - below) / (2 * kStep);
      expect(std::abs(measured - slope) < 1e-3 + 0.02 * std::abs(slope), model_type, ", layer ", parameter.layer,
             ": slope ", measured, ", gradient ", slope);
    }
  }
}

TEST("positions of RoBERTa begin behind the padding token and pass it over") {
  const PackedBatch batch{{5, 1, 7, 9, 8}, {}, {0, 3, 5}};
  expect(positions(batch, 1) == std::vector<int32_t>{2, 1, 3, 2, 3}, "wrong positions");
  expect(positions(batch, -1) == std::vector<int32_t>{0, 1, 2, 0, 1}, "wrong positions of BERT");
  EncoderConfig config = config_of("roberta", 0);
  config.pad_token_id = 1;
  expect(usable_positions(config) == config.max_positions - 2, "wrong number of positions");
}

TEST("both kinds of kernels train alike with dropout on") {
  const PackedBatch batch = small_batch();
  for (const char* model_type : kModelTypes) {
    std::vector<double> losses[2];
    for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
      Model model(config_of(model_type, 0.2), at::kCPU, kernels);
      initialise(model.parameters, model.config, 3, {});
      TrainerOptions options;
      options.learning_rate = 1e-3;
      options.schedule = Schedule::constant;
      Trainer trainer(model, options);
      for (int i = 0; i < 5; ++i) losses[kernels == Kernels::fused].push_back(trainer.step(batch).loss);
    }
    for (size_t i = 0; i < losses[0].size(); ++i) {
      expect(std::abs(losses[0][i] - losses[1][i]) < 1e-4, model_type, ", step ", i, ": ", losses[0][i], " and ",
             losses[1][i]);
    }
  }
}

TEST("leaving out tokens without a label changes neither loss nor gradients, with dropout on") {
  for (const Kernels kernels : {Kernels::plain, Kernels::fused}) {
    for (const char* model_type : kModelTypes) {
      for (const std::vector<uint8_t>& layers : {std::vector<uint8_t>{0, 0, 0}, {0, 1, 1}, {1, 1, 1}}) {
        std::vector<at::Tensor> gradients[2];
        double losses[2];
        for (const bool every_token : {false, true}) {
          Model model(config_of(model_type, 0.2), at::kCPU, kernels);
          initialise(model.parameters, model.config, 3, {});
          std::vector<uint8_t> plan_layers = layers;
          plan_layers.resize(static_cast<size_t>(model.config.num_layers), layers.back());
          apply_plan(model.parameters, {layers[0] == 1, plan_layers, std::vector<uint8_t>(plan_layers.size(), 0)}, nullptr);
          TrainerOptions still;
          still.learning_rate = 0;
          Trainer trainer(model, still);
          losses[every_token] = trainer.step(small_batch(), {true, nullptr, every_token}).loss;
          for (const Parameter& parameter : model.parameters.stored()) {
            if (parameter.requires_grad) gradients[every_token].push_back(parameter.grad.clone());
          }
        }
        expect(std::abs(losses[0] - losses[1]) < 1e-6, model_type, ": losses ", losses[0], " and ", losses[1]);
        for (size_t i = 0; i < gradients[0].size(); ++i) {
          const double difference = (gradients[0][i] - gradients[1][i]).abs().max().item<double>();
          expect(difference < 2e-6, model_type, ": gradient ", i, " differs by ", difference);
        }
      }
    }
  }
}

TEST("a batch that does not fit is refused") {
  Model model(small_config(0), at::kCPU, Kernels::fused);
  const auto refused = [&](const PackedBatch& batch) {
    return thrown_code([&] { model.logits(batch); }) == ErrorCode::INVALID_BATCH;
  };
  expect(refused({{1, 2, 3}, {}, {0, 2}}), "borders that end early");
  expect(refused({{1, 2, 3}, {}, {0, 2, 2, 3}}), "an empty sequence");
  expect(refused({{1, 2, 3}, {}, {1, 3}}), "borders that start late");
  expect(refused({{1, 2, 50}, {}, {0, 3}}), "an id outside the vocabulary");
  expect(refused({{1, -1, 3}, {}, {0, 3}}), "a negative id");
  expect(refused({{1, 2, 3}, {0, 5, 0}, {0, 3}}), "a label outside the head");
  expect(refused({std::vector<int32_t>(33, 1), {}, {0, 33}}), "a sequence longer than the positions");
}

}  // namespace
}  // namespace permafrost
