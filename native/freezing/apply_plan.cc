#include "freezing/apply_plan.h"

#include "core/error.h"

namespace permafrost {

namespace {

bool is_frozen(const Parameter& parameter, const FreezePlan& plan) {
  if (parameter.layer == kEmbeddings) return plan.embeddings;
  const auto layer = static_cast<size_t>(parameter.layer);
  if (layer >= plan.layers.size()) return false;  // the head always learns
  return plan.layers[layer] != 0 || (plan.parts[layer] & parameter.parts) != 0;
}

}  // namespace

void apply_plan(Parameters& parameters, const FreezePlan& plan, Optimizer* optimizer, Snapshot* snapshot) {
  check(plan.layers.size() == parameters.layers.size() && plan.parts.size() == parameters.layers.size(),
        ErrorCode::INVALID_PLAN, "The plan speaks of ", plan.layers.size(), " layers, the model has ",
        parameters.layers.size(), ".");
  // Before anything stands still: what is frozen keeps the bytes that it has now.
  if (optimizer != nullptr) optimizer->settle();
  for (const Parameter& parameter : parameters.stored()) {
    if (snapshot != nullptr && !is_frozen(parameter, plan)) snapshot->keep(parameter);
  }
  for (Parameter& parameter : parameters.stored()) {
    parameter.requires_grad = !is_frozen(parameter, plan);
    if (parameter.requires_grad) continue;
    parameter.grad.reset();
    parameter.grad_rows.clear();
  }
  if (optimizer != nullptr) optimizer->drop_frozen();
}

}  // namespace permafrost
