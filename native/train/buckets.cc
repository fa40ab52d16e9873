#include "train/buckets.h"

#include <algorithm>
#include <map>

namespace permafrost {

namespace {

constexpr int64_t kTokenStep = 32;
constexpr int64_t kSequenceStep = 8;
// Below it a closer bound would spare attention nothing, and double the buckets.
constexpr int64_t kShortest = 128;

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// Eight steps between powers of two.
int64_t round_by_eighths(int64_t count, int64_t smallest_step) {
  int64_t power = smallest_step;
  while (power * 2 <= count) power *= 2;
  return round_up(count, std::max(smallest_step, power / 8));
}

int64_t round_length(int64_t length, int64_t max_positions) {
  int64_t rounded = kShortest;
  while (rounded < length) rounded *= 2;
  return std::max(length, std::min(rounded, max_positions));
}

}  // namespace

BatchShape shape_of(const PackedBatch& batch, bool labelled_only) {
  BatchShape shape{batch.num_tokens(), batch.num_sequences(), longest_sequence(batch), 0, !batch.weights.empty()};
  if (!labelled_only) return shape;
  const auto ignored = std::count(batch.labels.begin(), batch.labels.end(), kIgnoredLabel);
  // A share of a batch may have none.
  shape.labelled = std::max<int64_t>(1, batch.num_tokens() - ignored);
  return shape;
}

Bucket bucket_of(const BatchShape& shape, int64_t max_positions) {
  Bucket bucket;
  if (shape.labelled > 0) bucket.labelled = round_by_eighths(shape.labelled, kTokenStep);
  bucket.tokens = round_by_eighths(shape.tokens + (shape.labelled > 0 ? 1 : 0), kTokenStep);
  // Kernels of attention refuse a bound that is above the number of tokens.
  bucket.longest = std::min(round_length(shape.longest, max_positions), bucket.tokens);
  const int64_t filler = bucket.tokens - shape.tokens;
  const int64_t filler_sequences = (filler + bucket.longest - 1) / bucket.longest;
  bucket.sequences = round_by_eighths(shape.sequences + filler_sequences, kSequenceStep);
  bucket.weighted = shape.weighted;
  return bucket;
}

std::vector<Bucket> buckets_to_come(const std::vector<BatchShape>& shapes, int64_t max_positions, size_t most) {
  std::map<Bucket, int64_t> times;
  for (const BatchShape& shape : shapes) ++times[bucket_of(shape, max_positions)];
  std::vector<Bucket> buckets;
  for (const auto& [bucket, count] : times) {
    if (count > 1) buckets.push_back(bucket);
  }
  std::stable_sort(buckets.begin(), buckets.end(),
                   [&](const Bucket& one, const Bucket& other) { return times[one] > times[other]; });
  if (buckets.size() > most) buckets.resize(most);
  std::sort(buckets.begin(), buckets.end(), [](const Bucket& one, const Bucket& other) { return other < one; });
  return buckets;
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

PackedBatch filler_batch(const Bucket& bucket, int32_t filler_id) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  batch = fill(batch, bucket, filler_id);
  batch.labels.assign(static_cast<size_t>(bucket.tokens), kIgnoredLabel);
  return batch;
}

std::vector<int32_t> repeat_last_border(const std::vector<int32_t>& cu_seqlens, int64_t sequences) {
  std::vector<int32_t> borders = cu_seqlens;
  borders.resize(static_cast<size_t>(sequences) + 1, cu_seqlens.back());
  return borders;
}

}  // namespace permafrost
