#include "freezing/weight_digests.h"

#include <cstring>

#include "core/parallel.h"

namespace permafrost {

namespace {

// Elements that one thread digests at a time.
constexpr int64_t kChunk = 1 << 16;

// The finaliser of SplitMix64 (Steele, Lea & Flood 2014).
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

WeightDigest combine(const WeightDigest& left, const WeightDigest& right) {
  return {mix(left.low * 0x9e3779b97f4a7c15ull + right.low), mix(left.high * 0xc2b2ae3d27d4eb4full + right.high)};
}

WeightDigest digest_chunk(const float* data, int64_t count) {
  uint64_t low = 0x243f6a8885a308d3ull;
  uint64_t high = 0x13198a2e03707344ull;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, data + i, sizeof(bits));
    low = (low ^ bits) * 0x9fb21c651e98df25ull;
    high = (high + bits) * 0xd6e8feb86659fd93ull;
    high ^= high >> 29;
  }
  return {mix(low), mix(high)};
}

WeightDigest digest_of(const at::Tensor& weight) {
  const at::Tensor values = weight.to(at::kCPU).contiguous();
  const float* data = values.data_ptr<float>();
  const int64_t count = values.numel();
  std::vector<WeightDigest> chunks(static_cast<size_t>((count + kChunk - 1) / kChunk));
  parallel_for(static_cast<int64_t>(chunks.size()), 1, [&](int64_t i) {
    chunks[static_cast<size_t>(i)] = digest_chunk(data + i * kChunk, std::min(kChunk, count - i * kChunk));
  });
  WeightDigest digest{static_cast<uint64_t>(count), static_cast<uint64_t>(count)};
  for (const WeightDigest& chunk : chunks) digest = combine(digest, chunk);
  return digest;
}

// What the outputs depend on beside the weights.
WeightDigest digest_of(const EncoderConfig& config) {
  uint64_t eps_bits;
  std::memcpy(&eps_bits, &config.layer_norm_eps, sizeof(eps_bits));
  WeightDigest digest{mix(static_cast<uint64_t>(config.num_heads) * 8 + static_cast<uint64_t>(config.activation)),
                      mix(eps_bits)};
  digest = combine(digest, {static_cast<uint64_t>(position_base(config)), config.relative ? 1u : 0u});
  if (!config.relative) return digest;
  const RelativeAttention& relative = *config.relative;
  const uint64_t terms = (relative.content_to_position ? 1u : 0u) + (relative.position_to_content ? 2u : 0u);
  return combine(digest, {static_cast<uint64_t>(relative.buckets) * 4 + terms,
                          static_cast<uint64_t>(relative.max_distance) * 2 + (relative.has_norm ? 1u : 0u)});
}

}  // namespace

std::vector<WeightDigest> digest_prefixes(const Parameters& parameters, const EncoderConfig& config, int64_t depth) {
  std::vector<WeightDigest> digests;
  WeightDigest digest = digest_of(config);
  for (int64_t layer = kEmbeddings; layer < depth; ++layer) {
    for (const Parameter& parameter : parameters.stored()) {
      if (parameter.layer == layer) digest = combine(digest, digest_of(parameter.value));
    }
    digests.push_back(digest);
  }
  return digests;
}

}  // namespace permafrost
