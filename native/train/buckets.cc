#include "train/buckets.h"

#include <algorithm>

namespace permafrost {

namespace {

constexpr int64_t kSmallestStep = 32;
constexpr int64_t kShortest = 64;
constexpr int64_t kSequenceStep = 8;

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// Eight buckets between powers of two.
int64_t round_tokens(int64_t tokens) {
  int64_t power = kSmallestStep;
  while (power * 2 <= tokens) power *= 2;
  return round_up(tokens, std::max(kSmallestStep, power / 8));
}

int64_t round_length(int64_t length, int64_t max_positions) {
  int64_t rounded = kShortest;
  while (rounded < length) rounded *= 2;
  return std::max(length, std::min(rounded, max_positions));
}

}  // namespace

Bucket bucket_of(const PackedBatch& batch, int64_t max_positions) {
  Bucket bucket;
  bucket.tokens = round_tokens(batch.num_tokens());
  // Kernels of attention refuse a bound that is above the number of tokens.
  bucket.longest = std::min(round_length(longest_sequence(batch), max_positions), bucket.tokens);
  const int64_t filler = bucket.tokens - batch.num_tokens();
  const int64_t filler_sequences = (filler + bucket.longest - 1) / bucket.longest;
  bucket.sequences = round_up(batch.num_sequences() + filler_sequences, kSequenceStep);
  bucket.weighted = !batch.weights.empty();
  return bucket;
}

PackedBatch fill(const PackedBatch& batch, const Bucket& bucket, int32_t filler_id) {
  PackedBatch filled = batch;
  filled.input_ids.resize(static_cast<size_t>(bucket.tokens), filler_id);
  if (!filled.labels.empty()) filled.labels.resize(static_cast<size_t>(bucket.tokens), kIgnoredLabel);
  for (int64_t end = batch.num_tokens(); end < bucket.tokens;) {
    end = std::min(end + bucket.longest, bucket.tokens);
    filled.cu_seqlens.push_back(static_cast<int32_t>(end));
    if (bucket.weighted) filled.weights.push_back(1);
    if (!filled.rows.empty()) filled.rows.push_back(0);
  }
  return filled;
}

std::vector<int32_t> repeat_last_border(const std::vector<int32_t>& cu_seqlens, int64_t sequences) {
  std::vector<int32_t> borders = cu_seqlens;
  borders.resize(static_cast<size_t>(sequences) + 1, cu_seqlens.back());
  return borders;
}

}  // namespace permafrost
