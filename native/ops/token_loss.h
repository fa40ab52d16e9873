// The loss of unbalanced labels: class weights, label smoothing, focal loss, weights of sentences.
#pragma once

#include <cstdint>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

struct TokenLossOptions {
  // Of each label, [C], positive; empty where all count alike.
  std::vector<double> class_weights;
  double label_smoothing = 0;
  // Exponent of the focal loss; 0 for none. Not together with label smoothing.
  double focal_gamma = 0;

  bool is_plain() const { return class_weights.empty() && label_smoothing == 0 && focal_gamma == 0; }
};

// Of a token of label y whose classes have the probabilities p, w being the class weights and C their number:
//   w_y ((1 - smoothing) (1 - p_y)^gamma (-log p_y)) + smoothing / C sum_c w_c (-log p_c)
// which is torch.nn.functional.cross_entropy with `weight` and `label_smoothing`, and with gamma the focal loss of Lin et
// al. (2017), w being its alpha. The mean over tokens is the sum divided by the sum of w_y, each token times the weight
// of its sentence above and below. Plain operations of libtorch, on any device; nothing is read back.
class TokenLoss {
 public:
  // Throws INVALID_OPTION where the options do not fit a head of so many classes.
  TokenLoss(const TokenLossOptions& options, int64_t num_classes, at::Device device);

  bool is_plain() const { return options_.is_plain(); }
  // What a token of the label counts for in the mean.
  double weight_of(int32_t label) const;
  // The sum over the labelled tokens, a tensor of one fp64 element, and `scale` times its gradient in dlogits_RC, which
  // may be the logits. `weights_R`: of the tokens, as their sentences have them; undefined where all count alike.
  // `scale` is a tensor of one element.
  at::Tensor compute(const at::Tensor& logits_RC, const at::Tensor& labels_R, const at::Tensor& weights_R,
                     const at::Tensor& scale, at::Tensor& dlogits_RC) const;

 private:
  const TokenLossOptions options_;
  at::Tensor class_weights_C;  // undefined where all count alike
};

}  // namespace permafrost
