#include "model/batch.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "model/architecture.h"

namespace permafrost {

namespace {

void validate_borders(const PackedBatch& batch, int64_t max_positions) {
  const std::vector<int32_t>& borders = batch.cu_seqlens;
  const int64_t num_tokens = batch.num_tokens();
  check(borders.size() >= 2, ErrorCode::INVALID_BATCH, "cuSeqlens must hold at least two borders, got ",
        borders.size(), ". Give [0, length of the first sequence, ...].");
  check(borders.front() == 0, ErrorCode::INVALID_BATCH, "cuSeqlens must start at 0, got ", borders.front(), ".");
  check(borders.back() == num_tokens, ErrorCode::INVALID_BATCH, "cuSeqlens must end at the number of tokens, ",
        num_tokens, ", got ", borders.back(), ".");
  for (size_t i = 1; i < borders.size(); ++i) {
    const int64_t length = int64_t{borders[i]} - borders[i - 1];
    check(length > 0, ErrorCode::INVALID_BATCH, "cuSeqlens must ascend: sequence ", i - 1, " goes from ",
          borders[i - 1], " to ", borders[i], ".");
    check(length <= max_positions, ErrorCode::INVALID_BATCH, "Sequence ", i - 1, " has ", length,
          " tokens, but the model has ", max_positions, " positions. Truncate it or cut it into windows.");
  }
}

void validate_range(const std::vector<int32_t>& values, int64_t end, const char* what, const char* of) {
  for (size_t i = 0; i < values.size(); ++i) {
    check(values[i] >= 0 && values[i] < end, ErrorCode::INVALID_BATCH, what, " ", values[i], " at token ", i,
          " lies outside the ", of, " of ", end, ".");
  }
}

void validate_rows(const PackedBatch& batch) {
  if (batch.rows.empty()) return;
  check(static_cast<int64_t>(batch.rows.size()) == batch.num_sequences(), ErrorCode::INVALID_BATCH,
        "rows: expected one for each of the ", batch.num_sequences(), " sequences, got ", batch.rows.size(), ".");
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    check(batch.rows[i] >= 0, ErrorCode::INVALID_BATCH, "rows: expected numbers from 0, got ", batch.rows[i],
          " for sequence ", i, ".");
  }
}

}  // namespace

void validate(const PackedBatch& batch, const EncoderConfig& config) {
  validate_borders(batch, usable_positions(config));
  validate_rows(batch);
  validate_range(batch.input_ids, config.vocab_size, "Token id", "vocabulary");
  if (batch.labels.empty()) return;
  check(batch.labels.size() == batch.input_ids.size(), ErrorCode::INVALID_BATCH, "labels must be as long as inputIds, ",
        batch.input_ids.size(), ", got ", batch.labels.size(), ".");
  for (size_t i = 0; i < batch.labels.size(); ++i) {
    const int32_t label = batch.labels[i];
    check(label == kIgnoredLabel || (label >= 0 && label < config.num_labels), ErrorCode::INVALID_BATCH, "Label ",
          label, " at token ", i, " is neither ", kIgnoredLabel, " nor one of the head's ", config.num_labels,
          " labels.");
  }
  if (batch.weights.empty()) return;
  check(static_cast<int64_t>(batch.weights.size()) == batch.num_sequences(), ErrorCode::INVALID_BATCH,
        "weights: expected one for each of the ", batch.num_sequences(), " sequences, got ", batch.weights.size(), ".");
  for (size_t i = 0; i < batch.weights.size(); ++i) {
    check(std::isfinite(batch.weights[i]) && batch.weights[i] > 0, ErrorCode::INVALID_BATCH, "weights: expected numbers "
          "above 0, got ", batch.weights[i], " for sequence ", i, ". Leave out a sequence that shall not count.");
  }
}

std::vector<int32_t> positions(const PackedBatch& batch, int64_t base) {
  std::vector<int32_t> result(batch.input_ids.size());
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    auto position = static_cast<int32_t>(base);
    for (int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) {
      const bool counts = batch.input_ids[t] != base;
      if (counts) ++position;
      result[t] = counts ? position : static_cast<int32_t>(base);
    }
  }
  return result;
}

int64_t longest_sequence(const PackedBatch& batch) {
  int64_t longest = 0;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    longest = std::max<int64_t>(longest, batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]);
  }
  return longest;
}

std::vector<int32_t> labelled_tokens(const PackedBatch& batch) {
  std::vector<int32_t> tokens;
  for (size_t t = 0; t < batch.labels.size(); ++t) {
    if (batch.labels[t] != kIgnoredLabel) tokens.push_back(static_cast<int32_t>(t));
  }
  return tokens;
}

std::vector<float> token_weights(const PackedBatch& batch) {
  std::vector<float> weights;
  for (size_t s = 0; s < batch.weights.size(); ++s) {
    weights.resize(static_cast<size_t>(batch.cu_seqlens[s + 1]), batch.weights[s]);
  }
  return weights;
}

std::vector<int32_t> mask_rows(const PackedBatch& batch) {
  std::vector<int32_t> rows;
  for (size_t s = 0; s < batch.rows.size(); ++s) {
    int32_t row = batch.rows[s];
    for (int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) rows.push_back(row++);
  }
  return rows;
}

BatchTensors::BatchTensors(const PackedBatch& batch, int64_t position_base, at::Device device,
                           std::vector<int32_t> labelled)
    : cu_seqlens(&batch.cu_seqlens), longest(longest_sequence(batch)),
      positions(permafrost::positions(batch, position_base)), labelled(std::move(labelled)),
      token_weights(permafrost::token_weights(batch)),
      position_base(position_base) {
  number_mask_rows(batch);
  const auto tensor = [device](const auto& values) {
    using Element = typename std::decay_t<decltype(values)>::value_type;
    // The tensor only reads what it views.
    const at::Tensor view = at::from_blob(const_cast<Element*>(values.data()), {static_cast<int64_t>(values.size())},
                                          c10::CppTypeToScalarType<Element>::value);
    return device.is_cpu() ? view : view.to(device);
  };
  if (!device.is_cpu() && !token_mask_rows.empty()) mask_rows_T = tensor(token_mask_rows);
  input_ids_T = tensor(batch.input_ids);
  positions_T = tensor(positions);
  cu_seqlens_B = tensor(batch.cu_seqlens);
  if (batch.labels.empty()) return;
  labels_T = tensor(batch.labels);
  labelled_M = tensor(this->labelled);
  if (!device.is_cpu()) labelled_mask_rows_M = labelled_mask_rows.empty() ? labelled_M : tensor(labelled_mask_rows);
  if (!token_weights.empty()) weights_T = tensor(token_weights);
}

BatchTensors::BatchTensors(at::Tensor input_ids_T, at::Tensor positions_T, at::Tensor labels_T, at::Tensor weights_T,
                           at::Tensor cu_seqlens_B, const std::vector<int32_t>* cu_seqlens, int64_t longest,
                           int64_t position_base)
    : input_ids_T(std::move(input_ids_T)), positions_T(std::move(positions_T)), labels_T(std::move(labels_T)),
      weights_T(std::move(weights_T)), cu_seqlens_B(std::move(cu_seqlens_B)), cu_seqlens(cu_seqlens), longest(longest), position_base(position_base) {}

void BatchTensors::number_mask_rows(const PackedBatch& batch) {
  token_mask_rows = permafrost::mask_rows(batch);
  if (token_mask_rows.empty()) return;
  for (const int32_t token : labelled) labelled_mask_rows.push_back(token_mask_rows[static_cast<size_t>(token)]);
}

}  // namespace permafrost
