#include "model/initialise.h"

#include <cmath>

#include "core/interruption.h"
#include "core/parallel.h"
#include "core/philox.h"

namespace permafrost {

namespace {

// FNV-1a: gives each tensor a stream of its own.
uint32_t stream_of(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

// Box-Muller over Philox in double precision: two numbers a counter, independent of libtorch's version.
void fill_normal(float* data, int64_t count, double deviation, uint64_t seed, uint32_t stream) {
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  constexpr double kUnit = 1.0 / 4294967296.0;
  parallel_for((count + 1) / 2, 4096, [=](int64_t pair) {
    PhiloxCounter counter = {
        {static_cast<uint32_t>(pair), static_cast<uint32_t>(pair >> 32), stream, 0x696e6974u}};
    philox4x32(counter, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    const double radius = std::sqrt(-2.0 * std::log((counter.word[0] + 0.5) * kUnit));
    const double angle = kTwoPi * (counter.word[1] + 0.5) * kUnit;
    data[2 * pair] = static_cast<float>(deviation * radius * std::cos(angle));
    if (2 * pair + 1 < count) data[2 * pair + 1] = static_cast<float>(deviation * radius * std::sin(angle));
  });
}

void initialise_one(const NamedParameter& named, const Parameters& parameters, const EncoderConfig& config,
                    uint64_t seed) {
  const Parameter& parameter = *named.parameter;
  at::Tensor target = named.view(parameter.value);
  if (parameter.parts & kBias) {
    target.zero_();
  } else if (parameter.parts & kLayerNorm) {
    target.fill_(1);
  } else {
    at::Tensor drawn = at::empty(target.sizes(), at::kFloat);
    fill_normal(drawn.data_ptr<float>(), drawn.numel(), config.initializer_range, seed, stream_of(named.name));
    target.copy_(drawn);
    const auto clear_row = [&](const Parameter* table, int64_t row) {
      if (&parameter == table && row >= 0 && row < target.size(0)) target.select(0, row).zero_();
    };
    clear_row(parameters.embeddings.word, config.pad_token_id);
    clear_row(parameters.embeddings.position, position_base(config));
  }
}

}  // namespace

void initialise(Parameters& parameters, const EncoderConfig& config, uint64_t seed,
                const std::vector<std::string>& names, Snapshot* snapshot) {
  const auto draw = [&](const NamedParameter& named) {
    interruption_point();
    if (snapshot != nullptr) snapshot->keep(*named.parameter);
    initialise_one(named, parameters, config, seed);
  };
  if (names.empty()) {
    for (const NamedParameter& named : parameters.named()) draw(named);
  } else {
    for (const std::string& name : names) draw(parameters.named(name));
  }
}

}  // namespace permafrost
