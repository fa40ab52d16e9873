// What stands on top of the encoder. Each head is one file of heads/ and one row of the table in head.cc.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/forward_context.h"

namespace permafrost {

// A number of a step: known on the host, or where the step is launched ahead of the device a tensor of one fp32
// element there.
struct StepNumber {
  double value = 0;
  at::Tensor tensor = {};

  bool on_device() const { return tensor.defined(); }
  bool is_known_bad() const { return !on_device() && !std::isfinite(value); }
};

// Loss and gradient of a pass through the head.
struct HeadGradients {
  // Summed over what is scored.
  StepNumber loss_sum;
  // Gradient of the encoder's output; undefined where it was not wanted.
  at::Tensor dhidden_RH;
};

// What the head makes of a batch.
struct Decoded {
  // Of the highest score.
  std::vector<int32_t> classes_T;
  // Sum of the losses of the labelled tokens.
  double loss_sum = 0;
};

// Its constructor declares its weights among those of the model and keeps them. R are the tokens whose outputs it is
// given: all of the batch, or where `labelled_only` those that have a label.
class Head {
 public:
  virtual ~Head() = default;

  // Whether the loss is computed from the outputs of the labelled tokens alone, which spares the encoder work.
  // `every_token`: the caller would rather have all of them, where the head can do with either.
  virtual bool labelled_only(bool every_token) const { return !every_token; }
  // Whether it needs a value from the device in the midst of a step, which then cannot be launched ahead.
  virtual bool reads_back() const { return true; }
  // Its linear maps on the way forth, for measurements of their products.
  virtual std::vector<LinearWeights> linear_maps() const = 0;

  // Scores of R tokens, [R, classes]. Dropout off.
  virtual at::Tensor scores(const PassContext& context, const at::Tensor& hidden_RH) const = 0;
  // The classes of the tokens of the batch, and the loss of those that have a label, in parts of bounded memory. Dropout
  // off.
  virtual Decoded decode(const PassContext& context, const at::Tensor& hidden_TH) const;
  // Sum of the losses of the labelled tokens, all of which count alike. Dropout off.
  virtual double loss(const PassContext& context, const at::Tensor& hidden_RH, bool labelled_only) const = 0;
  // The same, as context.loss and the weights of the batch have it, and `scale` times its gradients: those of the head's weights that learn and, where `input_wanted`, that
  // of hidden_RH, which is consumed. Gives up, leaving gradients unfinished, once the loss is known not to be finite.
  // `scale` is on the device, and the loss comes back there, in steps launched ahead: never where it reads back.
  virtual HeadGradients gradients(const PassContext& context, at::Tensor hidden_RH, bool labelled_only,
                                  const StepNumber& scale, bool input_wanted) const = 0;

 protected:
  // Of the highest score of each token, in parts of bounded memory. `on_part` sees the scores of tokens [begin, end).
  std::vector<int32_t> best_classes(const PassContext& context, const at::Tensor& hidden_TH,
                                    const std::function<void(const at::Tensor& scores_RC, int64_t begin, int64_t end)>&
                                        on_part = {}) const;
};

// The head of this name. Throws INVALID_OPTION naming those there are, or UNSUPPORTED_MODEL where the family has none.
std::unique_ptr<Head> make_head(const EncoderConfig& config, Parameters& parameters);
// The check of the name alone.
void check_head_name(const std::string& name);

// Number of tokens whose scores take a bounded amount of memory.
int64_t rows_scored_at_once(const EncoderConfig& config);

}  // namespace permafrost
