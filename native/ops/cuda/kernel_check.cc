#include "ops/cuda/kernel_check.h"

#include <cmath>
#include <functional>
#include <stdexcept>
#include <vector>

#include "ops/cuda/kernel_ops.h"
#include "ops/plain/plain_ops.h"

namespace permafrost {

namespace {

using Results = std::vector<at::Tensor>;

// Numbers between -1 and 1 without a pattern that a kernel could have; the device's generator stays as it is.
at::Tensor wave(at::IntArrayRef sizes, double number, at::Device device, at::ScalarType type) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  const at::Tensor places = at::arange(count, at::kDouble).add_(number * 17.3);
  return at::sin(places * places * 0.37 + places * 1.9).view(sizes).to(at::kFloat).to(device, type);
}

// Inputs and places for results, made anew for each run.
struct Bench {
  at::Device device;
  at::ScalarType type;
  int64_t head_size;

  at::Tensor x(at::IntArrayRef sizes, double number) const { return wave(sizes, number, device, type); }
  at::Tensor fp32(at::IntArrayRef sizes, double number) const { return wave(sizes, number, device, at::kFloat); }
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType of) const {
    return at::zeros(sizes, at::TensorOptions().dtype(of).device(device));
  }
  at::Tensor empty(at::IntArrayRef sizes) const { return empty(sizes, type); }
  // On a card so many rows that each block takes several; the emulator, whose tests see to that, has few.
  int64_t rows(int64_t few, int64_t many) const { return device.is_cpu() ? few : many; }
};

// Masks by numbers on the device.
struct BenchDropout {
  BenchDropout(const Bench& bench, int64_t rows) : dropout{0.25, 0x9e3779b97f4a7c15ull, 5, 19} {
    for (int64_t row = 0; row < rows; ++row) numbers.push_back(static_cast<int32_t>(2 * row + 3));
    on_device = at::tensor(numbers, at::kInt).to(bench.device);
    pass = at::full({1}, 5, at::kInt).to(bench.device);
    dropout.rows = numbers.data();
    dropout.device_rows = on_device.data_ptr<int32_t>();
    dropout.device_pass = static_cast<const uint32_t*>(pass.data_ptr());
  }
  std::vector<int32_t> numbers;
  at::Tensor on_device, pass;
  Dropout dropout;
};

Results sums_of_columns(const Bench& bench, Ops& ops, int64_t columns) {
  const at::Tensor grad = bench.fp32({columns}, 1), other = bench.empty({columns}, at::kFloat);
  ops.bias_backward(bench.x({bench.rows(37, 20011), columns}, 2), {grad, true});
  ops.bias_backward(bench.x({3, columns}, 3), {other, false});
  ops.finish_gradients();
  return {grad, other};
}

Results layer_norm(const Bench& bench, Ops& ops, int64_t hidden, at::ScalarType sum_type) {
  const int64_t tokens = hidden == 264 ? bench.rows(21, 9001) : 21;
  const BenchDropout masks(bench, tokens);
  at::Tensor sum = wave({tokens, hidden}, 1, bench.device, sum_type), y = bench.empty({tokens, hidden});
  at::Tensor mean = bench.empty({tokens}, at::kFloat), rstd = bench.empty({tokens}, at::kFloat);
  const at::Tensor weight = bench.fp32({hidden}, 2) + 1.5;
  ops.layer_norm(sum, bench.fp32({hidden}, 3), bench.x({tokens, hidden}, 4), masks.dropout, weight,
                 bench.fp32({hidden}, 5), 1e-5, y, mean, rstd);
  at::Tensor dsum = bench.x({tokens, hidden}, 6), dbranch = bench.empty({tokens, hidden});
  Results results{y};
  for (int i = 0; i < 3; ++i) results.push_back(bench.fp32({hidden}, 7 + i));
  ops.layer_norm_backward(dsum, sum, mean, rstd, weight, masks.dropout, dsum, dbranch, {results[1], true},
                          {results[2], false}, {results[3], true});
  ops.finish_gradients();
  results.push_back(dsum);
  results.push_back(dbranch);
  return results;
}

Results activation(const Bench& bench, Ops& ops, Activation kind) {
  const int64_t tokens = 35, columns = 520;
  at::Tensor pre = bench.x({tokens, columns}, 1) * 3, y = bench.empty({tokens, columns});
  ops.activate(pre, bench.fp32({columns}, 2), kind, y);
  at::Tensor dy = bench.x({tokens, columns}, 3), joined = dy.clone();
  const at::Tensor dbias = bench.fp32({columns}, 4), other = dbias.clone();
  ops.activate_backward(dy, pre, kind, {dbias, true});
  ops.finish_gradients();
  at::Tensor in_place = bench.x({tokens, columns}, 5) * 3;
  ops.activate(in_place, bench.fp32({columns}, 2), kind, in_place);
  Results results{y, pre.clone(), dy, dbias, in_place};
  ops.activate_and_back(joined, pre, kind, {other, false});
  ops.finish_gradients();
  results.insert(results.end(), {joined, pre, other});
  return results;
}

Results dropout(const Bench& bench, Ops& ops) {
  const BenchDropout masks(bench, 19);
  at::Tensor x = bench.x({19, 392}, 1);
  ops.dropout(x, masks.dropout);
  return {x};
}

PackedBatch batch_of(const std::vector<int32_t>& lengths) {
  PackedBatch batch;
  batch.cu_seqlens = {0};
  for (const int32_t length : lengths) {
    for (int32_t t = 0; t < length; ++t) {
      const auto number = static_cast<int32_t>(batch.input_ids.size());
      batch.input_ids.push_back(number * number % 23);
      batch.labels.push_back(number % 3 == 0 ? kIgnoredLabel : number % 9);
    }
    batch.cu_seqlens.push_back(static_cast<int32_t>(batch.input_ids.size()));
  }
  return batch;
}

Results embeddings(const Bench& bench, Ops& ops) {
  const int64_t hidden = 264;
  const PackedBatch batch = batch_of({9, 1, 20, 11});
  const BatchTensors tensors(batch, -1, bench.device);
  at::Tensor sum = bench.empty({batch.num_tokens(), hidden}, at::kFloat);
  ops.embed(tensors, bench.fp32({23, hidden}, 1), bench.fp32({20, hidden}, 2), bench.fp32({2, hidden}, 3), sum);
  const at::Tensor word = bench.fp32({23, hidden}, 4), position = bench.fp32({20, hidden}, 5), kind = bench.fp32({2, hidden}, 6);
  ops.embed_backward(tensors, bench.x({batch.num_tokens(), hidden}, 7), 4, {word, true}, {position, false}, {kind, false});
  ops.finish_gradients();
  return {sum, word, position, kind};
}

Results loss(const Bench& bench, Ops& ops) {
  const PackedBatch batch = batch_of({30, 41});
  const BatchTensors tensors(batch, -1, bench.device);
  at::Tensor logits = bench.x({batch.num_tokens(), 9}, 1) * 4;
  const at::Tensor scale = bench.empty({1}, at::kFloat).fill_(0.125);
  const at::Tensor sum = ops.cross_entropy_on_device(logits, tensors.labels_T, scale[0], logits);
  return {sum.view({1}), logits};
}

Results attention(const Bench& bench, Ops& ops, const std::vector<int32_t>& lengths) {
  const int64_t heads = 2, hidden = heads * bench.head_size;
  const PackedBatch batch = batch_of(lengths);
  const BatchTensors tensors(batch, -1, bench.device);
  const int64_t tokens = batch.num_tokens();
  const BenchDropout masks(bench, tokens);
  at::Tensor qkv = bench.x({tokens, 3 * hidden}, 1), y = bench.empty({tokens, hidden});
  at::Tensor lse = bench.empty({tokens, heads}, at::kFloat), dqkv = bench.empty({tokens, 3 * hidden});
  ops.attention(tensors, qkv, bench.x({3 * hidden}, 2), heads, masks.dropout, y, lse);
  ops.attention_backward(tensors, bench.x({tokens, hidden}, 3), qkv, y, lse, heads, masks.dropout, dqkv);
  return {y, dqkv};
}

Results update(const Bench& bench, Ops& ops) {
  const double rates[] = {1e-2, 3e-2}, scale = 0.5, clip = 0.75, eps = 1e-6;
  UpdateList list{{}, 0.9, 0.99, eps, clip, 1e30};
  const at::Tensor step = bench.empty({}, at::kFloat).fill_(3);
  Results results;
  const std::vector<std::vector<int64_t>> shapes = {{70, 33}, {9001}, {5}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    const auto number = static_cast<double>(i);
    const at::Tensor value = bench.fp32(shapes[i], number), grad = bench.fp32(shapes[i], 3 + number);
    const at::Tensor rounded = i == 1 ? bench.empty(shapes[i], at::kBFloat16) : at::Tensor();
    list.entries.push_back({value, grad, bench.fp32(shapes[i], 6 + number) * 0.1, bench.fp32(shapes[i], 9 + number).abs() * 0.01,
                            step, rounded, {}, i == 0 ? 0.01 : 0.0, i % 2});
  }
  at::Tensor norm = bench.empty({}, at::kFloat);
  if (const auto listed = ops.listed_update(list)) {
    const at::Tensor of_groups = at::tensor({rates[0], rates[1]}, at::kFloat).to(bench.device);
    const at::Tensor numbers = at::tensor({scale, 1.0}, at::kFloat).to(bench.device);
    norm = listed->run(of_groups, numbers[0], numbers[1]);
  } else {
    double squares = 0;
    for (const auto& entry : list.entries) squares += ops.squared_norm(entry.grad);
    const double length = std::sqrt(squares) * scale;
    norm.fill_(length);
    const double factor = scale * std::min(1.0, clip / (length + 1e-6));
    for (auto& entry : list.entries) {
      ops.adamw(entry.value, entry.grad, entry.exp_avg, entry.exp_avg_sq, entry.rounded,
                {rates[entry.rate], list.beta1, list.beta2, eps, entry.weight_decay, factor, 4});
    }
  }
  for (const auto& entry : list.entries) {
    results.insert(results.end(), {entry.value, entry.exp_avg, entry.exp_avg_sq});
    if (entry.rounded.defined()) results.push_back(entry.rounded);
  }
  results.push_back(norm.view({1}));
  return results;
}

// An operation on one or several shapes or types.
struct Check {
  const char* operation;
  std::vector<std::function<Results(Ops&)>> runs;
};

// The first ones use kernels that later ones use, too.
std::vector<Check> checks_of(const Bench& bench) {
  std::vector<Check> checks;
  const auto begin = [&](const char* operation) { checks.push_back({operation, {}}); };
  const auto add = [&](auto function, auto... arguments) {
    checks.back().runs.push_back([=](Ops& ops) { return function(bench, ops, arguments...); });
  };
  begin("sums of columns");
  for (const int64_t columns : {264, 9}) add(sums_of_columns, columns);
  begin("LayerNorm");
  for (const int64_t hidden : {264, 768}) {
    add(layer_norm, hidden, bench.type);
    if (bench.type != at::kFloat) add(layer_norm, hidden, at::kFloat);
  }
  for (const Activation kind : {Activation::gelu, Activation::gelu_new, Activation::relu}) {
    begin("the activation");
    add(activation, kind);
  }
  begin("dropout");
  add(dropout);
  begin("embeddings");
  add(embeddings);
  begin("the loss");
  add(loss);
  begin("attention");
  std::vector<int32_t> short_ones = {1, 7, 19, 32, 5, 2, 16, 31, 30};
  add(attention, short_ones);
  // So many that a block takes several.
  short_ones.insert(short_ones.begin(), {33, 3, 128});
  short_ones.resize(260, 2);
  add(attention, short_ones);
  add(attention, std::vector<int32_t>{33, 3, 128, 64});
  begin("the update");
  add(update);
  return checks;
}

// How far a result lies from the reference, as a part of the largest number, or twice that of all numbers together, which a
// small error in many of them reaches first; not a number where one of them is not.
double difference_of(const Results& results, const Results& reference) {
  double largest = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const at::Tensor a = results[i].to(at::kFloat), b = reference[i].to(at::kFloat), apart = a - b;
    const double one = apart.abs().max().item<double>() / (b.abs().max().item<double>() + 1e-3);
    const double all = 2 * apart.norm().item<double>() / (b.norm().item<double>() + 1e-3);
    for (const double difference : {one, all}) {
      if (!(difference <= largest)) largest = difference;
      if (std::isnan(largest)) return largest;
    }
  }
  return largest;
}

// An error of the kind that stays with the process's context makes every later call fail.
bool device_answers(at::Device device) {
  try {
    return at::ones({2}, at::TensorOptions().device(device)).sum().item<double>() == 2;
  } catch (const std::exception&) {
    return false;
  }
}

std::string words_of(const std::exception& error) {
  const auto* of_libtorch = dynamic_cast<const c10::Error*>(&error);
  return of_libtorch == nullptr ? error.what() : of_libtorch->what_without_backtrace();
}

}  // namespace

std::string refuse_wrong_kernels(const std::shared_ptr<KernelGate>& kernels, at::Device device, at::ScalarType type,
                                 int64_t head_size, std::set<std::string>* checked,
                                 const std::function<bool()>& answers) {
  // Roundings at other places move a number of bf16 by a few units of its last place, of 2^-8; a wrong kernel is far off.
  const double tolerance = type == at::kFloat ? 2e-4 : 4e-2;
  PlainOps reference;
  std::set<std::string> right;
  std::string problems;
  for (const Check& check : checks_of({device, type, head_size})) {
    // Made anew: what was refused is not asked for again.
    KernelOps candidate(device, type, head_size, kernels);
    // Those that no operation before this one has shown to be right; without any there is nothing to judge.
    std::set<std::string> fresh;
    std::string problem;
    for (size_t i = 0; i < check.runs.size() && problem.empty(); ++i) {
      std::set<std::string> launched;
      kernels->note(&launched);
      try {
        const Results results = check.runs[i](candidate);
        kernels->note(nullptr);
        for (const std::string& name : launched) {
          if (right.count(name) == 0) fresh.insert(name);
        }
        if (fresh.empty()) break;
        const double difference = difference_of(results, check.runs[i](reference));
        if (!(difference <= tolerance)) problem = "they differ by " + std::to_string(difference);
      } catch (const c10::OutOfMemoryError&) {
        kernels->note(nullptr);
        throw;
      } catch (const std::exception& error) {
        kernels->note(nullptr);
        fresh.insert(launched.begin(), launched.end());
        problem = words_of(error);
        if (answers ? answers() : device_answers(device)) continue;
        throw DeviceSpoilt("the card answers no more after the kernels of " + std::string(check.operation) + " ran: " + problem);
      }
    }
    if (checked != nullptr) checked->insert(fresh.begin(), fresh.end());
    if (problem.empty()) {
      right.insert(fresh.begin(), fresh.end());
      continue;
    }
    problems += (problems.empty() ? "" : "; ") + std::string("the kernels of ") + check.operation +
                " disagree with the plain operation on this card: " + problem;
    for (const std::string& name : fresh) kernels->refuse(name);
  }
  return problems;
}

}  // namespace permafrost
