// Models that are trained by launched steps and by steps at once, side by side.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "freezing/apply_plan.h"
#include "model/initialise.h"
#include "model/model.h"
#include "test/small_bert.h"
#include "test/testing.h"
#include "train/trainer.h"

namespace permafrost::testing {

// Sequences of the given lengths; ids and labels vary with the seed.
inline PackedBatch batch_of(const std::vector<int32_t>& lengths, int32_t seed) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (size_t s = 0; s < lengths.size(); ++s) {
    batch.examples.push_back(static_cast<int32_t>(s));
    for (int32_t t = 0; t < lengths[s]; ++t) {
      const auto number = static_cast<int32_t>(batch.input_ids.size()) * 7 + seed * 13;
      batch.input_ids.push_back(1 + number % 59);
      batch.labels.push_back(number % 3 == 0 ? kIgnoredLabel : number % 5);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

inline TrainerOptions options_of(bool ahead) {
  TrainerOptions options;
  options.learning_rate = 1e-3;
  options.schedule = Schedule::linear;
  options.warmup_steps = 2;
  options.total_steps = 40;
  options.max_grad_norm = 0.5;
  options.adamw.eps = 1e-6;
  options.launch_ahead_on_cpu = ahead;
  return options;
}

// The same model twice: one trained at once, one by launched steps.
struct Twins {
  Twins(Kernels kernels, const EncoderConfig& config, const TrainerOptions& options, at::ScalarType type = at::kFloat)
      : at_once(config, at::kCPU, kernels, type), ahead(config, at::kCPU, kernels, type) {
    initialise(at_once.parameters, config, 5, {});
    initialise(ahead.parameters, config, 5, {});
    TrainerOptions other = options;
    other.launch_ahead_on_cpu = true;
    at_once_trainer = std::make_unique<Trainer>(at_once, options);
    ahead_trainer = std::make_unique<Trainer>(ahead, other);
  }

  void freeze(const FreezePlan& plan) {
    apply_plan(at_once.parameters, plan, &at_once_trainer->optimizer());
    apply_plan(ahead.parameters, plan, &ahead_trainer->optimizer());
    at_once.weights_changed();
    ahead.weights_changed();
  }

  void step(const PackedBatch& batch, double tolerance, bool update_now = false) {
    const StepResult a = at_once_trainer->step(batch, {update_now});
    const StepResult b = ahead_trainer->step(batch, {update_now});
    expect(std::fabs(a.loss - b.loss) <= tolerance * a.loss, "loss ", a.loss, " against ", b.loss);
    expect(a.updated == b.updated && a.tokens == b.tokens && a.learning_rate == b.learning_rate, "facts of the step");
    if (a.updated) {
      expect(std::fabs(a.grad_norm - b.grad_norm) <= 10 * tolerance * a.grad_norm, "norm ", a.grad_norm, " against ",
             b.grad_norm);
    }
  }

  double largest_difference() const {
    double largest = 0;
    const auto& others = ahead.parameters.named();
    for (size_t i = 0; i < others.size(); ++i) {
      const NamedParameter& named = at_once.parameters.named()[i];
      const at::Tensor difference = named.view(named.parameter->value) - others[i].view(others[i].parameter->value);
      largest = std::max(largest, difference.abs().max().item<double>());
    }
    return largest;
  }

  Model at_once, ahead;
  std::unique_ptr<Trainer> at_once_trainer, ahead_trainer;
};

}  // namespace permafrost::testing
