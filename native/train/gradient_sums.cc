#include "train/gradient_sums.h"

#include <algorithm>
#include <utility>

#include "train/announcement.h"

namespace permafrost {

namespace {

// Less than this waits for the next layer's: every exchange has its latency.
constexpr int64_t kSmallestBucket = int64_t{1} << 20;

// Whether two neighbouring stretches, [first, middle) and [middle, end), are the two parts of one node of the tree.
bool are_siblings(int64_t first, int64_t middle, int64_t end, int64_t leaves) {
  int64_t begin = 0;
  while (leaves > 1) {
    int64_t left = 1;
    while (left * 2 < leaves) left *= 2;
    if (first == begin && end == begin + leaves) return middle == begin + left;
    if (end <= begin + left) {
      leaves = left;
    } else if (first >= begin + left) {
      begin += left;
      leaves -= left;
    } else {
      return false;
    }
  }
  return false;
}

void clear(Parameter& parameter) {
  if (!parameter.grad.defined()) {
    parameter.grad = at::zeros_like(parameter.value);
    parameter.grad_rows.clear();
  } else if (parameter.by_rows) {
    parameter.grad.index_fill_(0, at::tensor(parameter.grad_rows, at::kLong), 0);
    parameter.grad_rows.clear();
  } else {
    parameter.grad.zero_();
  }
}

}  // namespace

GradientSums::GradientSums(Parameters& parameters, Collective& collective, bool ordered, bool behind)
    : parameters_(parameters), collective_(collective), ordered_(ordered), alone_(!ordered && collective.size() == 1) {
  if (behind && collective.size() > 1) courier_ = std::make_unique<Courier>();
}

void GradientSums::begin(Step step) {
  step_ = std::move(step);
  leaf_ = -1;
  losses_.clear();
  if (alone_) return;
  lay_out();
  unsent_ = 0;
  rows_ = at::tensor(step_.rows, at::kLong);
}

// Slots stay as long as the same parameters learn, with what they keep.
void GradientSums::lay_out() {
  std::vector<Layer> layers;
  for (auto number = static_cast<int64_t>(parameters_.layers.size()); number >= kEmbeddings; --number) {
    Layer layer{number, {}, {}};
    for (Parameter& parameter : parameters_.stored()) {
      if (parameter.layer == number && parameter.requires_grad) layer.slots.push_back({&parameter, {}, {}, {}, {}, {}});
    }
    if (!layer.slots.empty()) layers.push_back(std::move(layer));
  }
  const auto same_slots = [](const Layer& one, const Layer& other) {
    return std::equal(one.slots.begin(), one.slots.end(), other.slots.begin(), other.slots.end(),
                      [](const Slot& a, const Slot& b) { return a.parameter == b.parameter; });
  };
  const bool same = std::equal(layers.begin(), layers.end(), layers_.begin(), layers_.end(), same_slots);
  if (!same) layers_ = std::move(layers);
  for (Layer& layer : layers_) layer.partials.clear();
}

bool GradientSums::begin_leaf() {
  ++leaf_;
  next_ = 0;
  if (!ordered_) return step_.adds;
  for (Layer& layer : layers_) {
    for (Slot& slot : layer.slots) {
      Parameter& parameter = *slot.parameter;
      const bool leaves_home = leaf_ == 0 && step_.adds;
      if (leaves_home) {
        slot.home = std::exchange(parameter.grad, std::exchange(slot.table, {}));
        slot.home_rows = std::exchange(parameter.grad_rows, std::exchange(slot.table_rows, {}));
      }
      // Of a table by rows every leaf leaves a copy of its rows, and takes the same table.
      if (parameter.by_rows || !(leaves_home || leaf_ > 0)) continue;
      parameter.grad.reset();
      if (slot.spares.empty()) continue;
      parameter.grad = std::move(slot.spares.back());
      slot.spares.pop_back();
    }
  }
  return false;
}

void GradientSums::add_loss(double sum) {
  losses_.push_back(sum);
  if (!is_last_leaf()) return;
  run([this] { all_losses_ = collective_.size() == 1 ? losses_ : gather_numbers(collective_, losses_); });
}

at::Tensor GradientSums::gradient_of(Slot& slot) const {
  Parameter& parameter = *slot.parameter;
  if (!parameter.grad.defined()) clear(parameter);
  return parameter.by_rows ? parameter.grad.index_select(0, rows_) : parameter.grad;
}

void GradientSums::layer_done(int64_t layer) {
  if (alone_ || !step_.sums || next_ == layers_.size() || layers_[next_].number != layer) return;
  Layer& done = layers_[next_++];
  std::vector<at::Tensor> tensors;
  for (Slot& slot : done.slots) tensors.push_back(gradient_of(slot));
  push(done, std::move(tensors));
  if (is_last_leaf()) send();
}

void GradientSums::push(Layer& layer, std::vector<at::Tensor> tensors) {
  std::vector<PartialSum>& partials = layer.partials;
  partials.push_back({step_.first + leaf_, 1, std::move(tensors)});
  while (partials.size() > 1) {
    PartialSum& left = partials[partials.size() - 2];
    PartialSum& right = partials.back();
    const int64_t end = right.first + right.count;
    if (!are_siblings(left.first, right.first, end, step_.leaves)) return;
    for (size_t i = 0; i < left.tensors.size(); ++i) {
      left.tensors[i].add_(right.tensors[i]);
      if (!layer.slots[i].parameter->by_rows) layer.slots[i].spares.push_back(right.tensors[i]);
    }
    left.count += right.count;
    partials.pop_back();
  }
}

// Sends the layers that are done, where they are worth an exchange or the last ones.
void GradientSums::send() {
  int64_t bytes = 0;
  for (size_t i = unsent_; i < next_; ++i) {
    for (const at::Tensor& tensor : layers_[i].partials.front().tensors) bytes += static_cast<int64_t>(tensor.nbytes());
  }
  if (bytes < kSmallestBucket && next_ < layers_.size()) return;
  // All layers have the same stretches.
  std::vector<PartialSum> partials = layers_[unsent_].partials;
  for (size_t i = unsent_ + 1; i < next_; ++i) {
    for (size_t p = 0; p < partials.size(); ++p) {
      const std::vector<at::Tensor>& more = layers_[i].partials[p].tensors;
      partials[p].tensors.insert(partials[p].tensors.end(), more.begin(), more.end());
    }
  }
  unsent_ = next_;
  run([this, partials = std::move(partials)] {
    collective_.sum(partials, step_.leaves, partials.front().tensors);
  });
}

void GradientSums::run(std::function<void()> task) {
  if (courier_) {
    courier_->post(std::move(task));
  } else {
    task();
  }
}

void GradientSums::end_leaf() {
  if (alone_ || !step_.sums) return;
  while (next_ < layers_.size()) {
    for (Slot& slot : layers_[next_].slots) clear(*slot.parameter);
    layer_done(layers_[next_].number);
  }
}

std::vector<double> GradientSums::finish() {
  if (courier_) courier_->wait();
  if (alone_ || !step_.sums) return all_losses_;
  for (Layer& layer : layers_) {
    for (size_t i = 0; i < layer.slots.size(); ++i) {
      settle(layer.slots[i], layer.partials.front().tensors[i]);
      if (layer.slots[i].parameter->by_rows) continue;
      for (size_t p = 1; p < layer.partials.size(); ++p) {
        layer.slots[i].spares.push_back(layer.partials[p].tensors[i]);
      }
    }
    layer.partials.clear();
  }
  return all_losses_;
}

// The sum becomes the gradient, or a part of it.
void GradientSums::settle(Slot& slot, const at::Tensor& sum) {
  Parameter& parameter = *slot.parameter;
  // One that was thawed between the batches of an update has none.
  const bool goes_home = slot.home.defined();
  if (goes_home) {
    if (parameter.by_rows) {
      slot.table = parameter.grad;
      slot.table_rows = std::move(parameter.grad_rows);
    } else {
      slot.spares.push_back(sum);
    }
    parameter.grad = std::move(slot.home);
    parameter.grad_rows = std::move(slot.home_rows);
    slot.home.reset();
  }
  if (!parameter.by_rows) {
    if (goes_home) {
      parameter.grad.add_(sum);
    } else {
      parameter.grad = sum;
    }
    return;
  }
  if (goes_home) {
    parameter.grad.index_add_(0, rows_, sum);
    unite(parameter.grad_rows, step_.rows);
  } else {
    // The rows of this rank are among them.
    parameter.grad.index_copy_(0, rows_, sum);
    parameter.grad_rows = step_.rows;
  }
}

void GradientSums::sum_now(Step step) {
  begin(std::move(step));
  leaf_ = 0;
  next_ = 0;
  for (const Layer& layer : layers_) layer_done(layer.number);
  finish();
}

void GradientSums::abandon() {
  if (courier_) courier_->drop();
  for (Layer& layer : layers_) layer.partials.clear();
}

}  // namespace permafrost
