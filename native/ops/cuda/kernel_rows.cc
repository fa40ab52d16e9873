#include "ops/cuda/kernel_rows.h"

#include <algorithm>

#include "core/error.h"
#include "ops/cuda/card_dropout.h"

namespace permafrost {

namespace {

// Columns of a block where a warp takes 256 of a row; those are blocks of eight warps.
constexpr int64_t kColumns = 256, kThreads = 256, kWarps = 8;
// Blocks that fill any card. It does not depend on the card, nor then do the bits of sums.
constexpr int64_t kBlocks = 1056;
// Of LayerNorm: the largest rows, the most threads of a block (layer_norm.cuh), parts of the gradients of its weights.
constexpr int64_t kLargestRow = 2048, kForwardThreads = 256, kBackwardThreads = 384, kNormParts = 264;

int64_t up(int64_t count, int64_t divisor) { return (count + divisor - 1) / divisor; }

// Of another type there is no kernel.
const char* name_of(at::ScalarType type) {
  return type == at::kFloat ? "float" : type == at::kBFloat16 ? "bf16" : "";
}

std::string of(const char* kernel, std::initializer_list<std::string> arguments) {
  std::string name = std::string(kernel) + "<";
  for (const std::string& argument : arguments) name += (name.back() == '<' ? "" : ", ") + argument;
  return name + ">";
}

// What is summed has the type of the activations, or is fp32.
std::vector<std::string> norm_kernels(at::ScalarType type) {
  const std::string x = name_of(type);
  std::vector<std::string> names;
  for (const char* kernel : {"layer_norm", "layer_norm_backward"}) {
    names.push_back(of(kernel, {x, "float"}));
    if (type != at::kFloat) names.push_back(of(kernel, {x, x}));
  }
  return names;
}

// Whether kernels can read it in accesses of 16 bytes. Undefined tensors are null pointers.
bool is_plain(const at::Tensor& x) {
  return !x.defined() || (x.is_contiguous() && reinterpret_cast<uintptr_t>(x.data_ptr()) % 16 == 0);
}

at::Tensor in_fp32(const at::Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; }

bool is_same(const at::Tensor& a, const at::Tensor& b) { return a.data_ptr() == b.data_ptr(); }

at::Tensor parts_for(const at::Tensor& x, int64_t results, int64_t parts, int64_t columns) {
  return at::empty({results, parts, columns}, x.options().dtype(at::kFloat));
}

// Parts of column sums where a row takes `blocks`: a few rows a warp, as many blocks as fill a card.
int64_t column_parts(int64_t rows, int64_t blocks) {
  return std::max<int64_t>(1, std::min(up(rows, 2 * kWarps), kBlocks / std::min(blocks, kBlocks)));
}

// Shared memory of a block whose threads each have some sums.
int64_t part_bytes(int64_t sums, int64_t threads = kThreads) { return threads * sums * static_cast<int64_t>(sizeof(float)); }

// Threads of a block of LayerNorm: the teams of a row's threads that fit.
int64_t norm_threads(int64_t H, int64_t most) {
  const int64_t team = up(H, kColumns) * 32;
  return std::max<int64_t>(1, most / team) * team;
}

int64_t exchange_bytes(int64_t threads) { return threads / 32 * 4 * static_cast<int64_t>(sizeof(float)); }

}  // namespace

RowKernels::RowKernels(DeviceKernels& kernels, at::ScalarType type)
    : kernels_(kernels), type_(type), norms_(norm_kernels(type)) {}

std::vector<KernelSource> RowKernels::sources(at::ScalarType type) {
  const std::string x = name_of(type);
  std::vector<std::string> activations;
  for (const char* kind : {"0", "1", "2"}) {
    activations.push_back(permafrost::of("activate", {x, kind}));
    activations.push_back(permafrost::of("activate_backward", {x, kind}));
  }
  return {{"rows.cuh", {"sum_parts"}},
          {"column_sums.cuh", {permafrost::of("column_sums", {x}), permafrost::of("narrow_column_sums", {x})}},
          {"layer_norm.cuh", norm_kernels(type)},
          {"activation.cuh", activations},
          {"dropout.cuh", {permafrost::of("dropout", {x})}},
          {"embedding.cuh", {"embed", "sort_tokens", permafrost::of("scatter_rows", {x})}},
          {"cross_entropy.cuh", {permafrost::of("cross_entropy", {x}), "sum_losses"}}};
}

bool RowKernels::normalises(int64_t H) const {
  return H % 8 == 0 && H <= kLargestRow && has("sum_parts") &&
         std::all_of(norms_.begin(), norms_.end(), [this](const std::string& name) { return has(name); });
}

bool RowKernels::layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                            const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps,
                            at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) {
  const int64_t T = sum_TH.size(0), H = sum_TH.size(1);
  if (!normalises(H)) return false;
  const at::Tensor residual = residual_TH.defined() ? residual_TH.contiguous() : residual_TH;
  check(is_plain(sum_TH) && is_plain(residual) && is_plain(y_TH), ErrorCode::INTERNAL,
        "LayerNorm of rows that are not aligned.");
  const int64_t threads = norm_threads(H, kForwardThreads), teams = threads / (up(H, kColumns) * 32);
  const std::string name = permafrost::of("layer_norm", {name_of(type_), name_of(sum_TH.scalar_type())});
  kernels_.launch(name, {{std::min(up(T, teams), 2 * kBlocks)}, threads, exchange_bytes(threads)}, sum_TH, in_fp32(bias_H),
                  residual, mask_of(dropout), pass_of(dropout), rows_of(dropout, T), weight_H, norm_bias_H,
                  static_cast<float>(eps), y_TH, mean_T, rstd_T, static_cast<int32_t>(T), static_cast<int32_t>(H));
  return true;
}

bool RowKernels::layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& rstd_T,
                                     const at::Tensor& weight_H, const Dropout& dropout, at::Tensor& dsum_TH,
                                     at::Tensor& dbranch_TH, const GradSink& dweight, const GradSink& dnorm_bias,
                                     const GradSink& dbias) {
  const int64_t T = sum_TH.size(0), H = sum_TH.size(1);
  if (!normalises(H)) return false;
  // The kernel turns one gradient into the other where it lies.
  if (!is_same(dsum_TH, dy_TH)) dsum_TH.copy_(dy_TH);
  const at::Tensor branch = dropout.on() ? dbranch_TH : at::Tensor();
  check(is_plain(sum_TH) && is_plain(dsum_TH) && is_plain(branch), ErrorCode::INTERNAL,
        "LayerNorm of rows that are not aligned.");
  const int64_t threads = norm_threads(H, kBackwardThreads), teams = threads / (up(H, kColumns) * 32);
  const int64_t blocks = std::min(up(T, 2 * teams), kNormParts);
  at::Tensor parts;
  if (dweight.wanted() || dnorm_bias.wanted() || dbias.wanted()) parts = parts_for(sum_TH, 3, blocks, H);
  const std::string name = permafrost::of("layer_norm_backward", {name_of(type_), name_of(sum_TH.scalar_type())});
  const int64_t shared = exchange_bytes(threads) + part_bytes(8, threads);
  kernels_.launch(name, {{blocks}, threads, shared}, dsum_TH, sum_TH, rstd_T, weight_H, mask_of(dropout),
                  pass_of(dropout), rows_of(dropout, T), branch, parts, static_cast<int32_t>(T), static_cast<int32_t>(H));
  if (parts.defined()) {
    put_off(dweight, parts[0]);
    put_off(dnorm_bias, parts[1]);
    put_off(dbias, parts[2]);
  }
  if (!dropout.on() && !is_same(dbranch_TH, dsum_TH)) dbranch_TH.copy_(dsum_TH);
  return true;
}

bool RowKernels::activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) {
  const std::string name = permafrost::of("activate", {name_of(type_), std::to_string(static_cast<int>(activation))});
  const int64_t T = pre_TI.size(0), I = pre_TI.size(1);
  if (!has(name) || I % 8 != 0 || !is_plain(pre_TI) || !is_plain(bias_I) || !is_plain(y_TI)) return false;
  // One memory goes to a kernel as one argument.
  const at::Tensor y = is_same(pre_TI, y_TI) ? at::Tensor() : y_TI;
  kernels_.launch(name, {{up(T * I, 8 * kThreads)}, kThreads}, pre_TI, in_fp32(bias_I), y, T, I);
  return true;
}

bool RowKernels::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                   const GradSink& dbias, bool leaves_activation) {
  const std::string name =
      permafrost::of("activate_backward", {name_of(type_), std::to_string(static_cast<int>(activation))});
  const int64_t T = pre_TI.size(0), I = pre_TI.size(1);
  if (!has(name) || !has("sum_parts") || I % 8 != 0 || !is_plain(dy_TI) || !is_plain(pre_TI)) return false;
  const int64_t count = column_parts(T, up(I, kColumns));
  const at::Tensor parts = dbias.wanted() ? parts_for(pre_TI, 1, count, I) : at::Tensor();
  kernels_.launch(name, {{up(I, kColumns), count}, kThreads, part_bytes(8)}, dy_TI, pre_TI, static_cast<int32_t>(leaves_activation), parts, T, I);
  if (parts.defined()) put_off(dbias, parts[0]);
  return true;
}

bool RowKernels::dropout(at::Tensor& x_TH, const Dropout& dropout) {
  if (!dropout.on()) return true;
  const std::string name = permafrost::of("dropout", {name_of(x_TH.scalar_type())});
  const int64_t T = x_TH.size(0), H = x_TH.size(1);
  if (!has(name) || H % 8 != 0 || !is_plain(x_TH)) return false;
  kernels_.launch(name, {{up(H, kColumns), std::min(up(T, kWarps), kBlocks)}, kThreads}, x_TH, mask_of(dropout),
                  pass_of(dropout), rows_of(dropout, T), T, H);
  return true;
}

bool RowKernels::bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) {
  if (!dbias.wanted()) return true;
  const int64_t T = dy_TH.size(0), H = dy_TH.size(1);
  const bool is_narrow = H % 8 != 0;
  const std::string name = of(is_narrow ? "narrow_column_sums" : "column_sums", dy_TH);
  if (!has(name) || !has("sum_parts") || !is_plain(dy_TH)) return false;
  const int64_t width = is_narrow ? 32 : kColumns;
  const int64_t count = column_parts(T, up(H, width));
  const at::Tensor parts = parts_for(dy_TH, 1, count, H);
  kernels_.launch(name, {{up(H, width), count}, kThreads, part_bytes(is_narrow ? 1 : 8)}, dy_TH, parts, T, H);
  put_off(dbias, parts[0]);
  return true;
}

void RowKernels::put_off(const GradSink& target_C, const at::Tensor& parts_PC) {
  if (!target_C.wanted()) return;
  // Sums into the same memory come one after another.
  const auto begin = [](const at::Tensor& x) { return static_cast<const float*>(x.data_ptr()); };
  const float* const target = begin(target_C.grad);
  const bool overlaps = std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& other) {
    const at::Tensor& grad = other.target_C.grad;
    return target < begin(grad) + grad.numel() && begin(grad) < target + target_C.grad.numel();
  });
  if (overlaps || waiting_.size() == kMostPendingSums) finish_sums();
  waiting_.push_back({target_C, parts_PC});
}

void RowKernels::finish_sums() {
  if (waiting_.empty()) return;
  PendingSums pending{};
  int64_t blocks = 0;
  for (const Waiting& sum : waiting_) {
    const int64_t columns = sum.parts_PC.size(1);
    pending.sum[pending.count++] = {reinterpret_cast<uintptr_t>(sum.parts_PC.data_ptr()),
                                    reinterpret_cast<uintptr_t>(sum.target_C.grad.data_ptr()),
                                    static_cast<int>(sum.parts_PC.size(0)),
                                    static_cast<int>(columns),
                                    sum.target_C.accumulate,
                                    static_cast<int>(blocks)};
    blocks += up(columns, 32);
  }
  kernels_.launch("sum_parts", {{blocks}, kThreads, part_bytes(1)}, pending);
  waiting_.clear();
}

bool RowKernels::embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                       const at::Tensor& token_type_YH, at::Tensor& sum_TH) {
  const int64_t T = sum_TH.size(0), H = sum_TH.size(1);
  if (!has("embed") || H % 4 != 0 || sum_TH.scalar_type() != at::kFloat || !is_plain(sum_TH)) return false;
  kernels_.launch("embed", {{up(T * H, 4 * kThreads)}, kThreads}, batch.input_ids_T, batch.positions_T, word_VH,
                  position_PH, token_type_YH, sum_TH, T, H);
  return true;
}

bool RowKernels::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                                const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  const int64_t H = dsum_TH.size(1);
  for (const std::string& name : {of("scatter_rows", dsum_TH), of("column_sums", dsum_TH)}) {
    if (!has(name)) return false;
  }
  if (!has("sort_tokens") || !has("sum_parts")) return false;
  if (H % 8 != 0 || !is_plain(dsum_TH)) return false;
  if (dword.wanted()) scatter(dword, batch.input_ids_T, pad_token_id, dsum_TH);
  if (dposition.wanted()) scatter(dposition, batch.positions_T, batch.position_base, dsum_TH);
  if (dtoken_type.wanted()) {
    at::Tensor grad_YH = dtoken_type.grad;
    if (!dtoken_type.accumulate) grad_YH.zero_();
    bias_backward(dsum_TH, {grad_YH.select(0, 0), dtoken_type.accumulate});
  }
  return true;
}

void RowKernels::scatter(const GradSink& sink, const at::Tensor& rows_T, int64_t skipped, const at::Tensor& x_TH) {
  const int64_t T = x_TH.size(0), H = x_TH.size(1);
  at::Tensor table_VH = sink.grad;
  if (!sink.accumulate) table_VH.zero_();
  const at::Tensor order_T = at::empty_like(rows_T);
  kernels_.launch("sort_tokens", {{up(T, kWarps)}, kThreads}, rows_T, order_T, T);
  kernels_.launch(of("scatter_rows", x_TH), {{T, up(H, kColumns)}, kThreads, part_bytes(8)}, rows_T,
                  order_T, skipped, x_TH, table_VH, T, H);
}

bool RowKernels::cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, const at::Tensor& scale,
                               at::Tensor& dlogits_TC, at::Tensor& loss) {
  // A warp a token: for the labels of a tagger, not for a vocabulary.
  constexpr int64_t kMostLabels = 1024, kTokensOfWarp = 4, kMostBlocks = 264;
  const int64_t T = logits_TC.size(0), C = logits_TC.size(1);
  const std::string name = of("cross_entropy", logits_TC);
  if (!has(name) || !has("sum_losses") || C > kMostLabels) return false;
  if (!dlogits_TC.is_contiguous() || scale.scalar_type() != at::kFloat) return false;
  if (!is_same(dlogits_TC, logits_TC)) dlogits_TC.copy_(logits_TC);
  const int64_t blocks = std::max<int64_t>(1, std::min(up(T, kTokensOfWarp * kWarps), kMostBlocks));
  const at::Tensor parts_P = at::empty({blocks}, logits_TC.options().dtype(at::kFloat));
  loss = at::empty({}, parts_P.options());
  kernels_.launch(name, {{blocks}, kThreads, kWarps * static_cast<int64_t>(sizeof(float))}, dlogits_TC, labels_T,
                  kIgnoredLabel, scale, parts_P, T, C);
  kernels_.launch("sum_losses", {{1}, 32}, parts_P, loss, blocks);
  return true;
}

std::string RowKernels::of(const char* kernel, const at::Tensor& x) const {
  return permafrost::of(kernel, {name_of(x.scalar_type())});
}

}  // namespace permafrost
