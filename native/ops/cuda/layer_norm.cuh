// LayerNorm (Ba et al. 2016) with what stands before it in a layer, bias, dropout and residual, in one pass; and its way
// back, with the gradients of weight, bias and branch bias. Rows of H columns, H a multiple of 8.
//
// A row belongs to a team of whole warps, eight columns a thread; a block has as many teams as fit. What the forward pass
// leaves in the sum's memory, of type `Sum`, for the way back is (sum - mean) * rstd, rounded once.
#include "ops/cuda/rows.cuh"

namespace permafrost::card {

// Most threads of a block, of which several share a processor.
constexpr int kForwardThreads = 256, kBackwardThreads = 384;

struct Team {
  i32 threads, warps, count;
  i32 number, thread, warp;
  i32 column;

  __device__ explicit Team(i32 H) {
    warps = (H + 255) / 256;
    threads = warps * 32;
    count = static_cast<i32>(blockDim.x) / threads;
    number = static_cast<i32>(threadIdx.x) / threads;
    thread = static_cast<i32>(threadIdx.x) % threads;
    warp = thread / 32;
    column = thread * 8;
  }
  // Where the numbers of a warp lie while teams exchange theirs; `round` alternates, so that one barrier a row will do.
  __device__ i32 slot(i32 round, i32 of_warp) const { return ((round * count + number) * warps + of_warp) * 2; }
  // Floats that the exchange takes.
  __device__ i32 exchange() const { return 4 * count * warps; }
};

// sum_TH: the branch; becomes what is kept. Block: whole teams.
template <typename X, typename Sum>
__global__ void __launch_bounds__(kForwardThreads, 3)
    layer_norm(GLOBAL(Sum) sum_TH, GLOBAL(const float) bias_H, GLOBAL(const X) residual_TH, DropoutMask mask,
               GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows, GLOBAL(const float) weight_H,
               GLOBAL(const float) norm_bias_H, float eps, GLOBAL(X) y_TH, GLOBAL(float) mean_T,
               GLOBAL(float) rstd_T, i32 T, i32 H) {
  const Team team(H);
  const bool has_columns = team.column < H;
  const u32 pass = mask.threshold != 0 ? mask_pass(mask, device_pass) : 0;
  SHARED(float) shared = shared_memory<float>(0);
  float weight[8] = {}, norm_bias[8] = {}, bias[8] = {};
  if (has_columns) {
    widen(load8(weight_H, team.column), weight);
    widen(load8(norm_bias_H, team.column), norm_bias);
    if (bias_H) widen(load8(bias_H, team.column), bias);
  }
  const float share = 1.0f / static_cast<float>(H);
  const auto columns_of = [&](i32 warp) { return static_cast<float>(H - warp * 256 < 256 ? H - warp * 256 : 256); };
  const float own_share = 1.0f / columns_of(team.warp);
  i32 round = 0;
  const i32 step = static_cast<i32>(gridDim.x) * team.count;
  for (i32 first = static_cast<i32>(blockIdx.x) * team.count; first < T; first += step) {
    const i32 t = first + team.number;
    const bool is_mine = t < T && has_columns;
    const i64 place = static_cast<i64>(t) * H + team.column;
    float x[8] = {};
    float residual[8] = {};
    if (is_mine) {
      widen(load8(sum_TH, place), x);
      if (residual_TH) widen(load8(residual_TH, place), residual);
    }
    UNROLL
    for (int i = 0; i < 8; ++i) x[i] += bias[i];
    if (mask.threshold != 0) drop(mask, pass, mask_row(mask_rows, t < T ? t : first), team.column, x);
    float total = 0;
    UNROLL
    for (int i = 0; i < 8; ++i) {
      x[i] += residual[i];
      total += x[i];
    }
    // Of each warp the sum and the squared deviations from its own mean, which join by Chan et al.'s formula.
    total = warp_sum(total);
    const float own_mean = total * own_share;
    float squares = 0;
    if (has_columns) {
      UNROLL
      for (int i = 0; i < 8; ++i) squares += (x[i] - own_mean) * (x[i] - own_mean);
    }
    squares = warp_sum(squares);
    if (threadIdx.x % 32 == 0) {
      shared[team.slot(round, team.warp)] = total;
      shared[team.slot(round, team.warp) + 1] = squares;
    }
    __syncthreads();
    float mean = 0;
    for (i32 w = 0; w < team.warps; ++w) {
      const float part = shared[team.slot(round, w)];
      mean += part;
    }
    mean *= share;
    float deviations = 0;
    for (i32 w = 0; w < team.warps; ++w) {
      const float part = shared[team.slot(round, w)], part_squares = shared[team.slot(round, w) + 1];
      const float count = columns_of(w);
      const float distance = __fdividef(part, count) - mean;
      deviations += part_squares + count * distance * distance;
    }
    round ^= 1;
    const float rstd = rsqrtf(deviations * share + eps);
    if (!is_mine) continue;
    float y[8];
    UNROLL
    for (int i = 0; i < 8; ++i) {
      x[i] = (x[i] - mean) * rstd;
      y[i] = x[i] * weight[i] + norm_bias[i];
    }
    store8(sum_TH, place, x);
    store8(y_TH, place, y);
    if (team.thread == 0) {
      mean_T[t] = mean;
      rstd_T[t] = rstd;
    }
  }
}

// gradient_TH: of y, becomes that of the sum; x_TH: what the forward pass left; branch_TH: the gradient behind the
// dropout, or null. parts_3PH, for P blocks: the parts of the gradients of weight, norm bias and branch bias, or null.
template <typename X, typename Sum>
__global__ void __launch_bounds__(kBackwardThreads, 2)
    layer_norm_backward(GLOBAL(X) gradient_TH, GLOBAL(const Sum) x_TH, GLOBAL(const float) rstd_T,
                        GLOBAL(const float) weight_H, DropoutMask mask, GLOBAL(const u32) device_pass,
                        GLOBAL(const i32) mask_rows, GLOBAL(X) branch_TH, GLOBAL(float) parts_3PH, i32 T, i32 H) {
  const Team team(H);
  const bool has_columns = team.column < H;
  const u32 pass = mask.threshold != 0 ? mask_pass(mask, device_pass) : 0;
  SHARED(float) shared = shared_memory<float>(0);
  float weight[8] = {};
  if (has_columns) widen(load8(weight_H, team.column), weight);
  float dweight[8] = {}, dnorm_bias[8] = {}, dbias[8] = {};
  const float share = 1.0f / static_cast<float>(H);

  const i32 step = static_cast<i32>(gridDim.x) * team.count;
  i32 first = static_cast<i32>(blockIdx.x) * team.count;
  // The next row is under way while one is computed.
  Eight<X> next_gradient = {};
  Eight<Sum> next_x = {};
  if (first + team.number < T && has_columns) {
    next_gradient = load8(gradient_TH, static_cast<i64>(first + team.number) * H + team.column);
    next_x = load8(x_TH, static_cast<i64>(first + team.number) * H + team.column);
  }
  i32 round = 0;
  for (; first < T; first += step) {
    const i32 t = first + team.number;
    const bool is_mine = t < T && has_columns;
    // As they lie in memory they take fewer registers while the team waits.
    const Eight<X> own_gradient = is_mine ? next_gradient : Eight<X>{};
    const Eight<Sum> own_x = is_mine ? next_x : Eight<Sum>{};
    if (t + step < T && has_columns) {
      next_gradient = load8(gradient_TH, static_cast<i64>(t + step) * H + team.column);
      next_x = load8(x_TH, static_cast<i64>(t + step) * H + team.column);
    }
    float gradient[8], x[8];
    widen(own_gradient, gradient);
    widen(own_x, x);
    float along_one = 0, along_x = 0;
    UNROLL
    for (int i = 0; i < 8; ++i) {
      const float scaled = gradient[i] * weight[i];
      along_one += scaled;
      along_x += scaled * x[i];
      dweight[i] += gradient[i] * x[i];
      dnorm_bias[i] += gradient[i];
    }
    along_one = warp_sum(along_one);
    along_x = warp_sum(along_x);
    if (threadIdx.x % 32 == 0) {
      shared[team.slot(round, team.warp)] = along_one;
      shared[team.slot(round, team.warp) + 1] = along_x;
    }
    __syncthreads();
    float mean_one = 0, mean_x = 0;
    for (i32 w = 0; w < team.warps; ++w) {
      const float one = shared[team.slot(round, w)], along = shared[team.slot(round, w) + 1];
      mean_one += one;
      mean_x += along;
    }
    round ^= 1;
    mean_one *= share;
    mean_x *= share;
    const float rstd = t < T ? static_cast<float>(rstd_T[t]) : 0.0f;
    widen(own_gradient, gradient);
    widen(own_x, x);
    UNROLL
    for (int i = 0; i < 8; ++i) gradient[i] = (gradient[i] * weight[i] - mean_one - x[i] * mean_x) * rstd;
    const i64 place = static_cast<i64>(t) * H + team.column;
    if (is_mine) store8(gradient_TH, place, gradient);
    if (mask.threshold != 0) drop(mask, pass, mask_row(mask_rows, t < T ? t : first), team.column, gradient);
    if (!is_mine) continue;
    if (branch_TH) store8(branch_TH, place, gradient);
    UNROLL
    for (int i = 0; i < 8; ++i) dbias[i] += gradient[i];
  }
  if (!parts_3PH) return;
  // The teams' sums join in their order.
  SHARED(float) columns = shared + team.exchange();
  for (i32 which = 0; which < 3; ++which) {
    __syncthreads();
    UNROLL
    for (int i = 0; i < 8; ++i) {
      columns[threadIdx.x * 8 + i] = which == 0 ? dweight[i] : which == 1 ? dnorm_bias[i] : dbias[i];
    }
    __syncthreads();
    for (i32 h = static_cast<i32>(threadIdx.x); h < H; h += static_cast<i32>(blockDim.x)) {
      float total = 0;
      for (i32 other = 0; other < team.count; ++other) {
        const float part = columns[other * team.threads * 8 + h];
        total += part;
      }
      parts_3PH[(static_cast<i64>(which) * gridDim.x + blockIdx.x) * H + h] = total;
    }
  }
}

}  // namespace permafrost::card
