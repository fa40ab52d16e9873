// Batches brought to equal shapes.
#include "train/buckets.h"

#include <algorithm>

#include "test/twins.h"

namespace permafrost {
namespace {

using testing::batch_of;
using testing::expect;
using testing::small_bert;

TEST("buckets hold their batches, and filler tokens are sequences of their own without labels") {
  for (int32_t tokens = 1; tokens < 1500; tokens += 37) {
    std::vector<int32_t> lengths;
    for (int32_t left = tokens; left > 0; left -= 40) lengths.push_back(std::min(left, 40));
    const PackedBatch batch = batch_of(lengths, tokens);
    const Bucket bucket = bucket_of(shape_of(batch), 512);
    expect(bucket.tokens >= tokens && bucket.tokens <= std::max(tokens + 32, tokens + tokens / 8 + 1), "tokens ", tokens,
           " in a bucket of ", bucket.tokens);
    const PackedBatch filled = fill(batch, bucket, 0);
    validate(filled, [] {
      EncoderConfig config = small_bert(0);
      config.max_positions = 512;
      return config;
    }());
    expect(filled.num_tokens() == bucket.tokens, "the bucket must be full");
    expect(bucket.longest <= bucket.tokens, "attention on a card wants no bound above the tokens");
    expect(longest_sequence(filled) <= bucket.longest, "no filler may be longer than the bucket's longest");
    expect(labelled_tokens(filled) == labelled_tokens(batch), "filler must not count");
    expect(filled.num_sequences() <= bucket.sequences, "borders must fit");
    const std::vector<int32_t> borders = repeat_last_border(filled.cu_seqlens, bucket.sequences);
    expect(static_cast<int64_t>(borders.size()) == bucket.sequences + 1 && borders.back() == bucket.tokens, "borders");
    for (int64_t s = 0; s < batch.num_sequences(); ++s) {
      expect(filled.cu_seqlens[s + 1] == batch.cu_seqlens[s + 1], "real sequences stay as they are");
    }
  }
}

TEST("sentences of up to 128 tokens are of one length, and batches of as many sentences of few buckets") {
  std::vector<Bucket> buckets;
  for (int64_t tokens = 513; tokens <= 1024; ++tokens) {
    for (const int64_t longest : {20, 64, 65, 128}) {
      const Bucket bucket = bucket_of({tokens, 32, longest}, 512);
      expect(bucket.longest == 128, "a longest of ", longest, " became ", bucket.longest);
      const bool is_new = std::none_of(buckets.begin(), buckets.end(), [&](const Bucket& other) {
        return !(other < bucket) && !(bucket < other);
      });
      if (is_new) buckets.push_back(bucket);
    }
  }
  // Eight numbers of tokens, each with and without filler.
  expect(buckets.size() <= 16, buckets.size(), " buckets for an octave");
  expect(bucket_of({18000, 1000, 128}, 512).longest == 128 && bucket_of({18000, 100, 129}, 512).longest == 256,
         "from 128 on lengths are powers of two");
  expect(bucket_of({40, 1, 40}, 512).longest == 64 && bucket_of({3000, 60, 100}, 110).longest == 110,
         "no length is above the tokens, or above what the model can place");
}

TEST("a bucket of labelled tokens has room for them and a token of filler at its end") {
  for (const int32_t tokens : {5, 31, 32, 63, 64, 200}) {
    const PackedBatch batch = batch_of({tokens}, 1);
    const Bucket bucket = bucket_of(shape_of(batch, true), 512);
    const auto labelled = static_cast<int64_t>(labelled_tokens(batch).size());
    expect(bucket.labelled >= labelled && bucket.labelled <= labelled + 32, labelled, " labelled in ", bucket.labelled);
    expect(bucket.tokens > tokens, "there must be a token of filler");
    expect(fill(batch, bucket, 0).labels.back() == kIgnoredLabel, "it has no label");
  }
}

TEST("of batches to come the buckets that come oftenest are recorded, the largest first") {
  std::vector<BatchShape> shapes;
  for (const int64_t tokens : {100, 600, 600, 300, 100, 100, 900, 200, 200}) shapes.push_back({tokens, 8, 50});
  const auto tokens_of = [&](size_t most) {
    std::vector<int64_t> tokens;
    for (const Bucket& bucket : buckets_to_come(shapes, 512, most)) tokens.push_back(bucket.tokens);
    return tokens;
  };
  // 300 and 900 come once.
  expect(tokens_of(10) == std::vector<int64_t>{640, 224, 128}, "all that come more than once");
  expect(tokens_of(2) == std::vector<int64_t>{224, 128}, "the three of 128 tokens, and two of 224");
  expect(tokens_of(0).empty() && buckets_to_come({}, 512, 4).empty(), "none");
}

TEST("a batch of filler fills its bucket with tokens that learn nothing") {
  for (const int64_t tokens : {1, 40, 513, 5000}) {
    const Bucket bucket = bucket_of({tokens, tokens / 20 + 1, 100, 7, true}, 128);
    const PackedBatch batch = filler_batch(bucket, 0);
    expect(batch.num_tokens() == bucket.tokens && batch.num_sequences() <= bucket.sequences, "its size");
    expect(longest_sequence(batch) <= bucket.longest && labelled_tokens(batch).empty(), "its sequences");
    expect(static_cast<int64_t>(token_weights(batch).size()) == bucket.tokens, "its weights");
  }
}

}  // namespace
}  // namespace permafrost
