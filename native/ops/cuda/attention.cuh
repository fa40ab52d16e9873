// Attention within sequences of at most 128 tokens, forward and back, of activations in bf16 with sums in fp32.
//
// A block of four warps takes four sequences after one another and one head. Of those of at most 32 tokens each warp
// takes one for itself; the longer ones the four warps take together, one after the other, 16 rows of the weights a
// warp. No sequence is filled up beyond the next 16 tokens, and no block depends on what another one does.
//
// As in Dao et al., "FlashAttention" (2022), the weights are never stored, the way back computes them again from the
// log-sum-exp, and sum_j P_ij dP_ij = dy_i . y_i holds with dropout, too. The way back goes over the weights twice,
// by queries for dq and by keys for dk and dv, so that each sum is one warp's: two products of seven more than the
// least there is, no sum in memory, the same bits each time.
#pragma once

#include "ops/cuda/device.cuh"

namespace permafrost::card {

namespace attention {

constexpr int kTile = 16;  // rows of the left operand of an mma
constexpr float kLog2e = 1.44269504f;

// Where piece `piece` of 16 bytes of a row of D numbers lies in shared memory. Pieces change places with the row, so
// that neither the same piece of 8 rows one after another (ldmatrix) nor half of two such rows (read_pieces) meet in
// the memory's banks.
template <int D>
DEVICE int place_of(int row, int piece) {
  const int turn = ((row & 1) << 2 | (row >> 1 & 3)) & (D / 8 - 1);
  return row * D + (piece ^ turn) * 8;
}

// The lane's place in the fragments of an mma.
DEVICE int lane() { return static_cast<int>(threadIdx.x) % 32; }
DEVICE int lane_row() { return lane() / 4; }
DEVICE int lane_column() { return lane() % 4; }

// One sequence and head, and the threads that work on it: a warp, or the whole block.
struct Task {
  int begin, n;  // tokens; n is 0 where there is nothing to do
  int heads, head;
  bool whole;
  int warp, warps, thread;
  int first_row;  // of the block's shared memory

  // Lane i holds border i of the block's.
  DEVICE Task(int border, i32 heads, int turn) : heads(heads), head(blockIdx.x), whole(turn >= 0) {
    // What comes from lane 0 is known to be the same in all of them.
    const int own_warp = __shfl_sync(kWarp, static_cast<int>(threadIdx.x) / 32, 0);
    const int sequence = whole ? turn : own_warp;
    begin = __shfl_sync(kWarp, border, sequence);
    n = __shfl_sync(kWarp, border, sequence + 1) - begin;
    if ((n > kAttentionAlone) != whole) n = 0;
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

// Starts to copy queries, keys and values, and dy where it is there, one row a token, and fills up with zeros to
// the next 16 rows.
template <int D>
DEVICE void copy_rows(SHARED(bf16) to, GLOBAL(const bf16) qkv, GLOBAL(const bf16) dy, const Task& task) {
  constexpr int kPieces = D / 8, kMatrix = kAttentionRows * D;
  const int hidden = task.heads * D, piece = task.thread % kPieces;
  const int rows = (task.n + kTile - 1) / kTile * kTile;
  for (int row = task.thread / kPieces; row < rows; row += task.warps * 32 / kPieces) {
    const int place = place_of<D>(row, piece);
    UNROLL
    for (int m = 0; m < 3; ++m) {
      if (row < task.n) {
        cp_async_16(to + (m * kMatrix + place), qkv + (row * 3 * hidden + m * hidden + piece * 8));
      } else {
        store_vector(to, m * kMatrix + place, make_uint4(0, 0, 0, 0));
      }
    }
    if (!dy) continue;
    if (row < task.n) {
      cp_async_16(to + (3 * kMatrix + place), dy + (row * hidden + piece * 8));
    } else {
      store_vector(to, 3 * kMatrix + place, make_uint4(0, 0, 0, 0));
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
    u32 word[4], own = 0;
    mask_words(mask, pass, row, static_cast<u32>(2 * pair + lane() / 16), static_cast<u32>(lane() % 16), word);
    UNROLL
    for (int w = 0; w < 4; ++w) {
      const u32 low = __ballot_sync(kWarp, (word[w] & 0xffff) >= mask.threshold);
      const u32 high = __ballot_sync(kWarp, (word[w] >> 16) >= mask.threshold);
      if (lane() == w) own = (low & 0xffff) | high << 16;
      if (lane() == w + 4) own = low >> 16 | (high & 0xffff0000u);
    }
    if (lane() < 8) bits[8 * pair + lane()] = own;
  }
  // Bits are read two words at a time.
  if (task.thread == 0) bits[8 * pairs] = 0;
}

// 32 bits from bit `first` on.
DEVICE u32 bits_from(SHARED(const u32) bits, int first) {
  const u32 low = bits[first / 32], high = bits[first / 32 + 1];
  return __funnelshift_r(low, high, first % 32);
}

// The 16 rows from `row` on as the left operand of products over D. Lane (g, t) takes columns 8t to 8t + 7 of each 32,
// as multiply_rows does: an mma does not mind in which order its columns are summed.
template <int D>
DEVICE void read_left(u32 (&a)[D / 16][4], SHARED(const bf16) rows, int row) {
  const int g = lane_row(), t = lane_column();
  UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const uint4 upper = load_vector<uint4>(rows, row * D + place_of<D>(g, 4 * c + t));
    const uint4 lower = load_vector<uint4>(rows, row * D + place_of<D>(g + 8, 4 * c + t));
    a[2 * c][0] = upper.x, a[2 * c][1] = lower.x, a[2 * c][2] = upper.y, a[2 * c][3] = lower.y;
    a[2 * c + 1][0] = upper.z, a[2 * c + 1][1] = lower.z, a[2 * c + 1][2] = upper.w, a[2 * c + 1][3] = lower.w;
  }
}

// s = a b^T for the 16 rows of b from `row` on.
template <int D>
DEVICE void multiply_rows(float (&s)[2][4], const u32 (&a)[D / 16][4], SHARED(const bf16) b, int row) {
  const int g = lane_row(), t = lane_column();
  UNROLL
  for (int i = 0; i < 4; ++i) s[0][i] = s[1][i] = 0;
  UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const uint4 first = load_vector<uint4>(b, row * D + place_of<D>(g, 4 * c + t));
    const uint4 second = load_vector<uint4>(b, row * D + place_of<D>(g + 8, 4 * c + t));
    const u32 parts[4][2] = {{first.x, first.y}, {second.x, second.y}, {first.z, first.w}, {second.z, second.w}};
    mma_m16n8k16(s[0], a[2 * c], parts[0]);
    mma_m16n8k16(s[1], a[2 * c], parts[1]);
    mma_m16n8k16(s[0], a[2 * c + 1], parts[2]);
    mma_m16n8k16(s[1], a[2 * c + 1], parts[3]);
  }
}

// sum += s b for the 16 rows of b from `row` on; s lies as multiply_rows left it.
template <int D>
DEVICE void add_product(float (&sum)[D / 8][4], const float (&s)[2][4], SHARED(const bf16) b, int row) {
  const u32 a[4] = {pack_bf16(s[0][0], s[0][1]), pack_bf16(s[0][2], s[0][3]), pack_bf16(s[1][0], s[1][1]),
                    pack_bf16(s[1][2], s[1][3])};
  UNROLL
  for (int c = 0; c < D / 16; ++c) {
    u32 b_columns[4];
    ldmatrix_x4_trans(b_columns, b + (row * D + place_of<D>(lane() % 16, 2 * c + lane() / 16)));
    const u32 left[2] = {b_columns[0], b_columns[1]}, right[2] = {b_columns[2], b_columns[3]};
    mma_m16n8k16(sum[2 * c], a, left);
    mma_m16n8k16(sum[2 * c + 1], a, right);
  }
}

// Lanes t of four, each with piece k of a row's 16 bytes in x[k]... become lanes with the whole of piece t.
DEVICE void turn_quad(u32 (&x)[4]) {
  const bool odd = lane() & 1, high = lane() & 2;
  UNROLL
  for (int k = 0; k < 4; k += 2) {
    const u32 got = __shfl_xor_sync(kWarp, odd ? x[k] : x[k + 1], 1);
    x[k] = odd ? got : x[k];
    x[k + 1] = odd ? x[k + 1] : got;
  }
  UNROLL
  for (int k = 0; k < 2; ++k) {
    const u32 got = __shfl_xor_sync(kWarp, high ? x[k] : x[k + 2], 2);
    x[k] = high ? got : x[k];
    x[k + 2] = high ? x[k + 2] : got;
  }
}

// Writes the rows of 16 from `row` on that are below n, times `factors` of the lane's two rows, 64 bytes a row at once.
template <int D>
DEVICE void write_rows(GLOBAL(bf16) to, int stride, int row, int n, const float (&sum)[D / 8][4],
                       const float (&factors)[2]) {
  const int g = lane_row(), t = lane_column();
  UNROLL
  for (int r = 0; r < 2; ++r) {
    const int place = row + g + 8 * r;
    u32 x[D / 32][4];
    UNROLL
    for (int c = 0; c < D / 32; ++c) {
      UNROLL
      for (int k = 0; k < 4; ++k) {
        x[c][k] = pack_bf16(sum[4 * c + k][2 * r] * factors[r], sum[4 * c + k][2 * r + 1] * factors[r]);
      }
      turn_quad(x[c]);
    }
    if (place >= n) continue;
    UNROLL
    for (int c = 0; c < D / 32; ++c) {
      store_16(to, place * stride + 8 * (4 * c + t), make_uint4(x[c][0], x[c][1], x[c][2], x[c][3]));
    }
  }
}

// Of two pairs of bf16.
DEVICE float dot(u32 a, u32 b) { return low_half(a) * low_half(b) + high_half(a) * high_half(b); }

DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(kWarp, x, 1);
  return x + __shfl_xor_sync(kWarp, x, 2);
}
DEVICE float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kWarp, x, 1));
  return fmaxf(x, __shfl_xor_sync(kWarp, x, 2));
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
          score = kept >> (i / 2 * 8 + i % 2) & 1 ? weight : 0.0f;
        }
      }
      add_product<D>(sum, s[0], values, key);
      if (is_wide) add_product<D>(sum, s[1], values, key + kTile);
    }
    float factors[2];
    UNROLL
    for (int r = 0; r < 2; ++r) {
      total[r] = quad_sum(total[r]);
      factors[r] = __fdividef(mask.scale, total[r]);
      const int place = row + g + 8 * r;
      if (t == 0 && place < n) lse[task.place(place, task.heads) + task.head] = largest[r] * scale + __logf(total[r]);
    }
    write_rows<D>(y + (task.place(0, task.heads * D) + task.head * D), task.heads * D, row, n, sum, factors);
  }
}

// The rows of a task's gradients that one warp computes, and what of it lies in shared memory.
template <int D>
struct Kept {
  SHARED(bf16) queries;
  SHARED(bf16) keys;
  SHARED(bf16) values;
  SHARED(bf16) dy;
  SHARED(float) lse;    // in powers of two
  SHARED(float) inner;  // dy . y
  SHARED(u32) bits;
};

// dq = scale sum_j P_ij (dP_ij - inner_i) k_j
template <int D>
DEVICE void attend_backward_queries(const Kept<D>& kept, const DropoutMask& mask, int n, int row, GLOBAL(bf16) dquery,
                                    int stride) {
  const int g = lane_row(), t = lane_column();
  const float scale = rsqrtf(static_cast<float>(D));
  u32 query[D / 16][4], dy[D / 16][4];
  read_left<D>(query, kept.queries, row);
  read_left<D>(dy, kept.dy, row);
  const float lse[2] = {kept.lse[row + g], kept.lse[row + g + 8]};
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
        float& score = s[i / 2][2 * r + i % 2];
        const float weight = i / 2 * 8 + i % 2 < left ? power_of_two(score * (scale * kLog2e) - lse[r]) : 0.0f;
        const float dweight = is_kept >> (i / 2 * 8 + i % 2) & 1 ? dp[i / 2][2 * r + i % 2] * mask.scale : 0.0f;
        score = weight * (dweight - inner[r]);
      }
    }
    add_product<D>(sum, s, kept.keys, key);
  }
  const float factors[2] = {scale, scale};
  write_rows<D>(dquery, stride, row, n, sum, factors);
}

// dk_j = scale sum_i P_ij (dP_ij - inner_i) q_i, dv_j = sum_i P_ij dy_i with dropped weights.
// Queries behind the n-th add nothing: they are rows of zeros, with an lse of zero.
template <int D>
DEVICE void attend_backward_keys(const Kept<D>& kept, const DropoutMask& mask, int n, int row, GLOBAL(bf16) dkey,
                                 GLOBAL(bf16) dvalue, int stride) {
  const int g = lane_row(), t = lane_column();
  const float scale = rsqrtf(static_cast<float>(D));
  u32 key[D / 16][4], value[D / 16][4];
  read_left<D>(key, kept.keys, row);
  read_left<D>(value, kept.values, row);
  float key_sum[D / 8][4] = {}, value_sum[D / 8][4] = {};
  for (int query = 0; query < n; query += kTile) {
    float s[2][4], dp[2][4];
    multiply_rows<D>(s, key, kept.queries, query);
    multiply_rows<D>(dp, value, kept.dy, query);
    // Each lane reads the bits of one query, of which four lanes are in want.
    u32 own_bits = kWarp;
    if (mask.threshold != 0) own_bits = bits_from(kept.bits, min(query + lane() % 16, n - 1) * n + row);
    UNROLL
    for (int half = 0; half < 2; ++half) {
      const float2 lse = load_vector<float2>(kept.lse, query + 8 * half + 2 * t);
      const float2 inner = load_vector<float2>(kept.inner, query + 8 * half + 2 * t);
      UNROLL
      for (int e = 0; e < 2; ++e) {
        u32 is_kept = kWarp;
        if (mask.threshold != 0) is_kept = __shfl_sync(kWarp, own_bits, 8 * half + 2 * t + e) >> g;
        UNROLL
        for (int r = 0; r < 2; ++r) {
          float& score = s[half][2 * r + e];
          float& dweight = dp[half][2 * r + e];
          const float weight = power_of_two(score * (scale * kLog2e) - (e == 0 ? lse.x : lse.y));
          const bool stays = is_kept >> 8 * r & 1;
          dweight = weight * ((stays ? dweight * mask.scale : 0.0f) - (e == 0 ? inner.x : inner.y));
          score = stays ? weight : 0.0f;
        }
      }
    }
    add_product<D>(value_sum, s, kept.dy, query);
    add_product<D>(key_sum, dp, kept.queries, query);
  }
  const float key_factors[2] = {scale, scale}, value_factors[2] = {mask.scale, mask.scale};
  write_rows<D>(dkey, stride, row, n, key_sum, key_factors);
  write_rows<D>(dvalue, stride, row, n, value_sum, value_factors);
}

}  // namespace attention

// y = softmax(q k^T / sqrt(D)) v and the log-sum-exp of the scores, for the sequences between the borders, those that
// are not empty nor longer than 128. Grid: heads, sequences / 4; block: 128; shared: attention_shared_bytes(D, false).
template <int D>
__global__ void __launch_bounds__(32 * kAttentionWarps)
    attention_forward(GLOBAL(const bf16) qkv, GLOBAL(const i32) borders, i32 sequences, i32 heads, DropoutMask mask,
                      GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows, GLOBAL(bf16) y, GLOBAL(float) lse) {
  using namespace attention;
  constexpr int kMatrix = kAttentionRows * D;
  const int border = borders[min(static_cast<int>(blockIdx.y) * kAttentionWarps + lane(), sequences)];
  for (int turn = -1; turn < kAttentionWarps; ++turn) {
    const Task task(border, heads, turn);
    if (task.n == 0) continue;
    if (task.whole) __syncthreads();
    SHARED(bf16) queries = shared_memory<bf16>(0) + task.first_row * D;
    SHARED(u32) bits = shared_memory<u32>(3 * kMatrix * 2) + task.first_row / kAttentionAlone * kAttentionWords;
    copy_rows<D>(queries, qkv + (task.place(0, 3 * heads * D) + task.head * D), nullptr, task);
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
                       GLOBAL(const i32) borders, i32 sequences, i32 heads, DropoutMask mask,
                       GLOBAL(const u32) device_pass, GLOBAL(const i32) mask_rows, GLOBAL(bf16) dqkv) {
  using namespace attention;
  constexpr int kMatrix = kAttentionRows * D, kBytes = 4 * kMatrix * 2;
  const int g = lane_row(), t = lane_column(), hidden = heads * D;
  const int border = borders[min(static_cast<int>(blockIdx.y) * kAttentionWarps + lane(), sequences)];
  for (int turn = -1; turn < kAttentionWarps; ++turn) {
    const Task task(border, heads, turn);
    const int n = task.n;
    if (n == 0) continue;
    if (task.whole) __syncthreads();
    Kept<D> kept;
    kept.queries = shared_memory<bf16>(0) + task.first_row * D;
    kept.keys = kept.queries + kMatrix;
    kept.values = kept.keys + kMatrix;
    kept.dy = kept.values + kMatrix;
    kept.lse = shared_memory<float>(kBytes) + task.first_row;
    kept.inner = kept.lse + kAttentionRows;
    kept.bits = shared_memory<u32>(kBytes + 8 * kAttentionRows) + task.first_row / kAttentionAlone * kAttentionWords;
    const i64 first = task.place(0, hidden) + task.head * D, first_of_three = task.place(0, 3 * hidden) + task.head * D;
    copy_rows<D>(kept.queries, qkv + first_of_three, dy + first, task);
    // The rows of the warp's tiles, of which it has two at most.
    uint4 own_y[2][2][D / 32];
    float own_lse[2][2];
    UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = kTile * (task.warp + i / 2 * task.warps) + g + i % 2 * 8;
      own_lse[i / 2][i % 2] = row < n ? lse[task.place(row, heads) + task.head] * kLog2e : 0.0f;
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
      if (t == 0) kept.lse[row] = own_lse[i / 2][i % 2], kept.inner[row] = inner;
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
