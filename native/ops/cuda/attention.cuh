// Attention within sequences of at most 128 tokens, forward and back, of activations in bf16 with sums in fp32.
//
// A block of four warps takes one head of four sequences that follow one another. Of those of at most 32 tokens each
// warp takes one for itself; the longer ones the four warps take together, one after the other, 16 rows of the weights
// a warp. Where there are few sequences, a block takes one, whatever its length. No sequence is filled up beyond the next
// 16 tokens, and its bits do not depend on which of this happens.
//
// As in Dao et al., "FlashAttention" (2022), the weights are never stored, the way back computes them again from the
// log-sum-exp, and sum_j P_ij dP_ij = dy_i . y_i holds with dropout, too. The way back goes over the weights twice,
// by queries for dq and by keys for dk and dv, so that each sum is one warp's: seven products where five would do, but
// no sum in memory, and the same bits each time.
#pragma once

#include "ops/cuda/device.cuh"
#include "ops/cuda/tiles.cuh"

namespace permafrost::card {

namespace attention {

constexpr float kLog2e = 1.44269504f;

// Half the logarithm of a power of two.
template <int D>
DEVICE constexpr float log2_of_root() {
  static_assert(D == 32 || D == 64 || D == 128);
  return D == 32 ? 2.5f : D == 64 ? 3.0f : 3.5f;
}

// One sequence and head, and the threads that work on it: a warp, or the whole block.
struct Task {
  int begin, n;  // tokens; n is 0 where there is nothing to do
  int heads, head;
  bool whole;
  int warp, warps, thread;
  int first_row;  // of the block's shared memory

  // Lane i holds border i of the block's, which takes one sequence or as many as it has warps. In turn -1 warps work alone.
  DEVICE Task(int border, i32 per_block, i32 heads, int turn) : heads(heads), head(blockIdx.x), whole(turn >= 0) {
    // What comes from lane 0 is known to be the same in all of them.
    const int own_warp = __shfl_sync(kWarp, static_cast<int>(threadIdx.x) / 32, 0);
    const int sequence = whole ? turn : own_warp;
    begin = __shfl_sync(kWarp, border, sequence);
    n = __shfl_sync(kWarp, border, sequence + 1) - begin;
    if ((n > (per_block == 1 ? 0 : kAttentionAlone)) != whole || n > kAttentionRows) n = 0;
    warp = whole ? own_warp : 0;
    warps = whole ? kAttentionWarps : 1;
    thread = warp * 32 + lane();
    first_row = whole ? 0 : own_warp * kAttentionAlone;
  }
  DEVICE void meet() const {
    if (whole) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }
  DEVICE i64 place(int token, int columns) const { return static_cast<i64>(begin + token) * columns; }
};

// Starts to copy queries, keys and values, and dy where `backward`, one row a token, and fills up with zeros to the next
// 16 rows. `qkv` and `dy` point to the head's part of the first row.
template <int D, bool backward>
DEVICE void copy_rows(SHARED(bf16) to, GLOBAL(const bf16) qkv, GLOBAL(const bf16) dy, const Task& task) {
  constexpr int kPieces = D / 8, kMatrix = kAttentionRows * D;
  const int hidden = task.heads * D, piece = task.thread % kPieces, step = task.warps * 32 / kPieces;
  const int rows = (task.n + kTile - 1) / kTile * kTile;
  int row = task.thread / kPieces;
  GLOBAL(const bf16) query = qkv + (3 * row * hidden + 8 * piece);
  GLOBAL(const bf16) gradient = backward ? dy + (row * hidden + 8 * piece) : dy;
  for (; row < task.n; row += step) {
    const int place = place_of<D>(row, piece);
    UNROLL
    for (int m = 0; m < 3; ++m) cp_async_16(to + (m * kMatrix + place), query + m * hidden);
    query += 3 * step * hidden;
    if (!backward) continue;
    cp_async_16(to + (3 * kMatrix + place), gradient);
    gradient += step * hidden;
  }
  for (; row < rows; row += step) {
    UNROLL
    for (int m = 0; m < (backward ? 4 : 3); ++m) {
      store_vector(to, m * kMatrix + place_of<D>(row, piece), make_uint4(0, 0, 0, 0));
    }
  }
  cp_async_commit();
}

// Bit c of `bits` becomes whether weight c of the task is kept; see ops/cpu/attention.inc for which that is. Lanes 0
// to 15 draw one group of 128, the others the next, each of them a whole counter; votes put the bits in order.
DEVICE void draw_mask(SHARED(u32) bits, const DropoutMask& mask, GLOBAL(const u32) device_pass,
                      GLOBAL(const i32) mask_rows, const Task& task) {
  if (mask.threshold == 0) return;
  const u32 pass = mask_pass(mask, device_pass);
  const u32 row = mask_row(mask_rows, task.begin) * static_cast<u32>(task.heads) + static_cast<u32>(task.head);
  const int pairs = (task.n * task.n + 255) / 256;
  for (int pair = task.warp; pair < pairs; pair += task.warps) {
    u32 word[4], low[4], high[4];
    mask_words(mask, pass, row, static_cast<u32>(2 * pair + lane() / 16), static_cast<u32>(lane() % 16), word);
    UNROLL
    for (int w = 0; w < 4; ++w) {
      low[w] = __ballot_sync(kWarp, (word[w] & 0xffff) >= mask.threshold);
      high[w] = __ballot_sync(kWarp, (word[w] >> 16) >= mask.threshold);
    }
    const bool odd = lane() & 1, upper = lane() & 2;
    const u32 own_low = upper ? (odd ? low[3] : low[2]) : odd ? low[1] : low[0];
    const u32 own_high = upper ? (odd ? high[3] : high[2]) : odd ? high[1] : high[0];
    const u32 own = lane() < 4 ? (own_low & 0xffff) | own_high << 16 : own_low >> 16 | (own_high & 0xffff0000u);
    if (lane() < 8) bits[8 * pair + lane()] = own;
  }
  // Bits are read two words at a time.
  if (task.thread == 0) bits[8 * pairs] = 0;
}

// 32 bits from bit `first` on.
DEVICE u32 bits_from(SHARED(const u32) bits, int first) {
  const u32 word = static_cast<u32>(first) / 32, low = bits[word], high = bits[word + 1];
  return __funnelshift_r(low, high, static_cast<u32>(first) % 32);
}

// One task of attention_forward: queries, keys and values lie in shared memory, one a row.
template <int D>
DEVICE void attend(SHARED(const bf16) queries, SHARED(const bf16) keys, SHARED(const bf16) values,
                   SHARED(const u32) bits, const DropoutMask& mask, const Task& task, GLOBAL(bf16) y,
                   GLOBAL(float) lse) {
  const int g = lane_row(), t = lane_column(), n = task.n;
  const float scale = rsqrtf(static_cast<float>(D));
  for (int row = kTile * task.warp; row < n; row += kTile * task.warps) {
    u32 query[D / 16][4];
    read_left<D>(query, queries, row);
    float sum[D / 8][4] = {};
    // Of the rows g and g + 8: the largest score so far, and the sum of the weights in relation to it.
    float largest[2] = {-infinity(), -infinity()}, total[2] = {0, 0};
    for (int key = 0; key < n; key += 2 * kTile) {
      const bool is_wide = key + kTile < n;
      float s[2][2][4];
      multiply_rows<D>(s[0], query, keys, key);
      if (is_wide) multiply_rows<D>(s[1], query, keys, key + kTile);
      const int left = n - key - 2 * t;
      UNROLL
      for (int i = 0; i < 16; ++i) {
        float& score = s[i / 8][i / 4 % 2][i % 4];
        if (i / 4 * 8 + i % 2 >= left) score = -infinity();
      }
      UNROLL
      for (int r = 0; r < 2; ++r) {
        float top = -infinity();
        UNROLL
        for (int i = 0; i < 8; ++i) top = fmaxf(top, s[i / 4][i / 2 % 2][2 * r + i % 2]);
        top = fmaxf(largest[r], quad_max(top));
        if (key > 0) {
          const float shrink = power_of_two((largest[r] - top) * (scale * kLog2e));
          total[r] *= shrink;
          UNROLL
          for (int c = 0; c < D / 8; ++c) sum[c][2 * r] *= shrink, sum[c][2 * r + 1] *= shrink;
        }
        largest[r] = top;
        const float scaled_top = top * (scale * kLog2e);
        u32 kept = kWarp;
        if (mask.threshold != 0) kept = bits_from(bits, min(row + g + 8 * r, n - 1) * n + key) >> 2 * t;
        UNROLL
        for (int i = 0; i < 8; ++i) {
          float& score = s[i / 4][i / 2 % 2][2 * r + i % 2];
          const float weight = power_of_two(score * (scale * kLog2e) - scaled_top);
          total[r] += weight;
          score = kept & 1u << (i / 2 * 8 + i % 2) ? weight : 0.0f;
        }
      }
      add_product<D>(sum, s[0], values, key);
      if (is_wide) add_product<D>(sum, s[1], values, key + kTile);
    }
    UNROLL
    for (int r = 0; r < 2; ++r) {
      const float whole = quad_sum(total[r]), factor = __fdividef(mask.scale, whole);
      const int place = row + g + 8 * r;
      if (t == 0 && place < n) lse[task.place(place, task.heads) + task.head] = largest[r] * scale + __logf(whole);
      UNROLL
      for (int c = 0; c < D / 8; ++c) sum[c][2 * r] *= factor, sum[c][2 * r + 1] *= factor;
    }
    write_rows<D>(y + (task.place(0, task.heads * D) + task.head * D), task.heads * D, row, n, sum);
  }
}

// What the way back has in shared memory of a task.
template <int D>
struct Kept {
  SHARED(bf16) queries;
  SHARED(bf16) keys;
  SHARED(bf16) values;
  SHARED(bf16) dy;
  SHARED(float) shift;  // 2^(s - shift) = scale P
  SHARED(float) inner;  // dy . y
  SHARED(u32) bits;
};

// dq_i = scale sum_j P_ij (dP_ij - inner_i) k_j
template <int D>
DEVICE void attend_backward_queries(const Kept<D>& kept, const DropoutMask& mask, int n, int row, GLOBAL(bf16) dquery,
                                    int stride) {
  const int g = lane_row(), t = lane_column();
  const float scale = rsqrtf(static_cast<float>(D));
  u32 query[D / 16][4], dy[D / 16][4];
  read_left<D>(query, kept.queries, row);
  read_left<D>(dy, kept.dy, row);
  const float shift[2] = {kept.shift[row + g], kept.shift[row + g + 8]};
  const float inner[2] = {kept.inner[row + g], kept.inner[row + g + 8]};
  float sum[D / 8][4] = {};
  for (int key = 0; key < n; key += kTile) {
    float s[2][4], dp[2][4];
    multiply_rows<D>(s, query, kept.keys, key);
    multiply_rows<D>(dp, dy, kept.values, key);
    const int left = n - key - 2 * t;
    UNROLL
    for (int r = 0; r < 2; ++r) {
      u32 is_kept = kWarp;
      if (mask.threshold != 0) is_kept = bits_from(kept.bits, min(row + g + 8 * r, n - 1) * n + key) >> 2 * t;
      UNROLL
      for (int i = 0; i < 4; ++i) {
        const int column = i / 2 * 8 + i % 2;
        float& score = s[i / 2][2 * r + i % 2];
        const float weight = column < left ? power_of_two(score * (scale * kLog2e) - shift[r]) : 0.0f;
        const float factor = is_kept & 1u << column ? mask.scale : 0.0f;
        score = weight * (dp[i / 2][2 * r + i % 2] * factor - inner[r]);
      }
    }
    add_product<D>(sum, s, kept.keys, key);
  }
  write_rows<D>(dquery, stride, row, n, sum);
}

// dk_j = scale sum_i P_ij (dP_ij - inner_i) q_i, dv_j = sum_i P_ij dy_i with dropped weights.
// Queries behind the n-th add nothing: they are rows of zeros, with a shift of zero.
template <int D>
DEVICE void attend_backward_keys(const Kept<D>& kept, const DropoutMask& mask, int n, int row, GLOBAL(bf16) dkey,
                                 GLOBAL(bf16) dvalue, int stride) {
  const int g = lane_row(), t = lane_column();
  const float scale = rsqrtf(static_cast<float>(D)), value_scale = mask.scale * (scale * static_cast<float>(D));
  u32 key[D / 16][4], value[D / 16][4];
  read_left<D>(key, kept.keys, row);
  read_left<D>(value, kept.values, row);
  float key_sum[D / 8][4] = {}, value_sum[D / 8][4] = {};
  for (int query = 0; query < n; query += kTile) {
    float s[2][4], dp[2][4];
    multiply_rows<D>(s, key, kept.queries, query);
    multiply_rows<D>(dp, value, kept.dy, query);
    // Each lane reads the bits of one query; four lanes want them.
    u32 own_bits = kWarp;
    if (mask.threshold != 0) own_bits = bits_from(kept.bits, min(query + lane() % 16, n - 1) * n + row);
    UNROLL
    for (int half = 0; half < 2; ++half) {
      const float2 shift = load_vector<float2>(kept.shift, query + 8 * half + 2 * t);
      const float2 inner = load_vector<float2>(kept.inner, query + 8 * half + 2 * t);
      UNROLL
      for (int e = 0; e < 2; ++e) {
        u32 is_kept = kWarp;
        if (mask.threshold != 0) is_kept = __shfl_sync(kWarp, own_bits, 8 * half + 2 * t + e);
        UNROLL
        for (int r = 0; r < 2; ++r) {
          float& score = s[half][2 * r + e];
          float& dweight = dp[half][2 * r + e];
          const bool stays = static_cast<i32>(is_kept << (31 - 8 * r - g)) < 0;
          const float weight = power_of_two(score * (scale * kLog2e) - (e == 0 ? shift.x : shift.y));
          dweight = weight * (dweight * (stays ? mask.scale : 0.0f) - (e == 0 ? inner.x : inner.y));
          score = weight * (stays ? value_scale : 0.0f);
        }
      }
    }
    add_product<D>(value_sum, s, kept.dy, query);
    add_product<D>(key_sum, dp, kept.queries, query);
  }
  write_rows<D>(dkey, stride, row, n, key_sum);
  write_rows<D>(dvalue, stride, row, n, value_sum);
}

}  // namespace attention

// y = softmax(q k^T / sqrt(D)) v and the log-sum-exp of the scores, for the sequences between the borders, those that
// are not empty nor longer than 128; a block takes `per_block` of them, 1 or 4. Grid: heads, sequences / per_block; block:
// 128; shared: attention_shared_bytes(D, false).
template <int D>
__global__ void __launch_bounds__(32 * kAttentionWarps)
    attention_forward(GLOBAL(const bf16) qkv, GLOBAL(const i32) borders, i32 sequences, i32 per_block, i32 heads,
                      DropoutMask mask, GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows, GLOBAL(bf16) y,
                      GLOBAL(float) lse) {
  using namespace attention;
  constexpr int kMatrix = kAttentionRows * D;
  const int border = borders[min(static_cast<int>(blockIdx.y) * per_block + lane(), sequences)];
  for (int turn = -1; turn < per_block; ++turn) {
    const Task task(border, per_block, heads, turn);
    if (task.n == 0) continue;
    if (task.whole) __syncthreads();
    SHARED(bf16) queries = shared_memory<bf16>(0) + task.first_row * D;
    SHARED(u32) bits = shared_memory<u32>(3 * kMatrix * 2) + task.first_row / kAttentionAlone * kAttentionWords;
    copy_rows<D, false>(queries, qkv + (task.place(0, 3 * heads * D) + task.head * D), nullptr, task);
    draw_mask(bits, mask, device_pass, mask_rows, task);
    cp_async_wait<0>();
    task.meet();
    attend<D>(queries, queries + kMatrix, queries + 2 * kMatrix, bits, mask, task, y, lse);
  }
}

// The gradients of q, k and v. Shape of the launch as above, shared: attention_shared_bytes(D, true).
template <int D>
__global__ void __launch_bounds__(32 * kAttentionWarps)
    attention_backward(GLOBAL(const bf16) dy, GLOBAL(const bf16) qkv, GLOBAL(const bf16) y, GLOBAL(const float) lse,
                       GLOBAL(const i32) borders, i32 sequences, i32 per_block, i32 heads,
                       DropoutMask mask, GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows,
                       GLOBAL(bf16) dqkv) {
  using namespace attention;
  constexpr int kMatrix = kAttentionRows * D, kBytes = 4 * kMatrix * 2;
  const int g = lane_row(), t = lane_column(), hidden = heads * D;
  const int border = borders[min(static_cast<int>(blockIdx.y) * per_block + lane(), sequences)];
  for (int turn = -1; turn < per_block; ++turn) {
    const Task task(border, per_block, heads, turn);
    const int n = task.n;
    if (n == 0) continue;
    if (task.whole) __syncthreads();
    Kept<D> kept;
    kept.queries = shared_memory<bf16>(0) + task.first_row * D;
    kept.keys = kept.queries + kMatrix;
    kept.values = kept.keys + kMatrix;
    kept.dy = kept.values + kMatrix;
    kept.shift = shared_memory<float>(kBytes) + task.first_row;
    kept.inner = kept.shift + kAttentionRows;
    kept.bits = shared_memory<u32>(kBytes + 8 * kAttentionRows) + task.first_row / kAttentionAlone * kAttentionWords;
    const i64 first = task.place(0, hidden) + task.head * D, first_of_three = task.place(0, 3 * hidden) + task.head * D;
    copy_rows<D, true>(kept.queries, qkv + first_of_three, dy + first, task);
    // The rows of the warp's tiles, of which it has two at most.
    uint4 own_y[2][2][D / 32];
    float own_shift[2][2];
    UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = kTile * (task.warp + i / 2 * task.warps) + g + i % 2 * 8;
      own_shift[i / 2][i % 2] = row < n ? lse[task.place(row, heads) + task.head] * kLog2e + log2_of_root<D>() : 0.0f;
      UNROLL
      for (int c = 0; c < D / 32; ++c) {
        own_y[i / 2][i % 2][c] = make_uint4(0, 0, 0, 0);
        if (row < n) own_y[i / 2][i % 2][c] = load_vector<uint4>(y, first + row * hidden + 8 * (4 * c + t));
      }
    }
    draw_mask(kept.bits, mask, device_pass, mask_rows, task);
    cp_async_wait<0>();
    task.meet();
    UNROLL
    for (int i = 0; i < 4; ++i) {
      const int tile = kTile * (task.warp + i / 2 * task.warps), row = tile + g + i % 2 * 8;
      if (tile >= n) continue;
      float inner = 0;
      UNROLL
      for (int c = 0; c < D / 32; ++c) {
        const uint4 a = own_y[i / 2][i % 2][c];
        const uint4 b = load_vector<uint4>(kept.dy, tile * D + place_of<D>(g + i % 2 * 8, 4 * c + t));
        inner += dot(a.x, b.x) + dot(a.y, b.y) + dot(a.z, b.z) + dot(a.w, b.w);
      }
      inner = quad_sum(inner);
      if (t == 0) kept.shift[row] = own_shift[i / 2][i % 2], kept.inner[row] = inner;
    }
    task.meet();
    GLOBAL(bf16) to = dqkv + first_of_three;
    for (int row = kTile * task.warp; row < n; row += kTile * task.warps) {
      attend_backward_queries<D>(kept, mask, n, row, to, 3 * hidden);
      attend_backward_keys<D>(kept, mask, n, row, to + hidden, to + 2 * hidden, 3 * hidden);
    }
  }
}

}  // namespace permafrost::card
