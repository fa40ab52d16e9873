// A checked view of a packed batch.
#pragma once

#include <cstdint>
#include <vector>

#include "core/libtorch.h"
#include "model/config.h"

namespace permafrost {

// What crosses the border: token ids [T], labels [T] or nothing, borders of the sequences [B + 1], for a prefix store the
// number of each sequence in its dataset [B], weights of the sequences in the loss [B] or nothing, and the place of each
// sequence's first token in the whole batch [B] or nothing, where this is a share of one.
struct PackedBatch {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> labels;
  std::vector<int32_t> cu_seqlens;
  std::vector<int32_t> examples = {};
  std::vector<float> weights = {};
  std::vector<int32_t> rows = {};

  int64_t num_tokens() const { return static_cast<int64_t>(input_ids.size()); }
  int64_t num_sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
};

constexpr int32_t kIgnoredLabel = -100;

// Throws INVALID_BATCH where the borders do not fit, a sequence is empty or longer than the position
// embeddings, a token id lies outside the vocabulary, a label outside the head, a weight is not above 0, or a row is below 0.
void validate(const PackedBatch& batch, const EncoderConfig& config);

// Position of each token in its sequence, shape [T]: `base` + 1, `base` + 2, ... Tokens whose id is `base` are
// passed over and have position `base`.
std::vector<int32_t> positions(const PackedBatch& batch, int64_t base);

// Tokens of the longest sequence.
int64_t longest_sequence(const PackedBatch& batch);

// Numbers of the labelled tokens, ascending.
std::vector<int32_t> labelled_tokens(const PackedBatch& batch);

// The weight of each token's sequence, [T]; empty where sequences have none.
std::vector<float> token_weights(const PackedBatch& batch);

// The place of each token in the whole batch, [T], by which rows of dropout masks are numbered; empty where that is its
// place in this one.
std::vector<int32_t> mask_rows(const PackedBatch& batch);

// The batch as int32 tensors on the model's device. On a CPU the ids and labels are views of `batch`,
// which must outlive them.
struct BatchTensors {
  // `labelled`: the batch's labelled_tokens(), for a loss over those alone.
  BatchTensors(const PackedBatch& batch, int64_t position_base, at::Device device, std::vector<int32_t> labelled = {});
  // Of tensors that are on the device already; `longest` may be an upper bound.
  BatchTensors(at::Tensor input_ids_T, at::Tensor positions_T, at::Tensor labels_T, at::Tensor weights_T,
               at::Tensor cu_seqlens_B, const std::vector<int32_t>* cu_seqlens, int64_t longest, int64_t position_base);

  // Labels of all tokens, or of the labelled ones alone, [M].
  at::Tensor labels(bool labelled_only) const {
    return labelled_only ? labels_T.index_select(0, labelled_M) : labels_T;
  }
  // Weights in the loss likewise; undefined where all tokens count alike.
  at::Tensor weights(bool labelled_only) const {
    return labelled_only && weights_T.defined() ? weights_T.index_select(0, labelled_M) : weights_T;
  }
  // Numbers of the rows of dropout masks, of all tokens or of the labelled ones; null: 0, 1, 2, ...
  const int32_t* mask_rows(bool labelled_only) const {
    if (labelled_only) return labelled_mask_rows.empty() ? labelled.data() : labelled_mask_rows.data();
    return token_mask_rows.empty() ? nullptr : token_mask_rows.data();
  }
  // The same on the device.
  const int32_t* device_mask_rows(bool labelled_only) const {
    if (input_ids_T.is_cpu() && !mask_rows_T.defined()) return mask_rows(labelled_only);
    const at::Tensor& rows = labelled_only ? labelled_mask_rows_M : mask_rows_T;
    return rows.defined() ? rows.data_ptr<int32_t>() : nullptr;
  }
  // To be called where the batch is a share of one.
  void number_mask_rows(const PackedBatch& batch);
  double weight_of(int32_t token) const { return token_weights.empty() ? 1 : token_weights[token]; }

  at::Tensor input_ids_T;
  at::Tensor positions_T;
  at::Tensor labels_T;      // undefined where the batch has none
  at::Tensor labelled_M;    // numbers of the labelled tokens; undefined where labels_T is
  at::Tensor weights_T;     // fp32; undefined where sequences have none
  at::Tensor cu_seqlens_B;  // [B + 1]
  at::Tensor mask_rows_T, labelled_mask_rows_M;  // int32, on a card; undefined: 0, 1, 2, ...
  const std::vector<int32_t>* cu_seqlens;
  int64_t longest;  // tokens of the longest sequence, here or on another rank
  std::vector<int32_t> positions;
  std::vector<int32_t> labelled;
  std::vector<float> token_weights;
  std::vector<int32_t> token_mask_rows, labelled_mask_rows;
  // A position that no gradient reaches, as no token counts as standing there; -1: none. See position_base().
  int64_t position_base;
};

}  // namespace permafrost
