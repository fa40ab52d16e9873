// Everything that a step computes, one virtual method an operation.
//
// Two implementations compute the same: PlainOps, compositions of ATen operations that run on any
// device and serve as the reference, and FusedCpuOps, one pass over memory each.
//
// Shapes: T tokens, H hidden, I intermediate, N heads, D = H / N, C labels, B sequences.
// Gradients of parameters are added to where `accumulate` is set and overwritten elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/parameters.h"
#include "ops/dropout.h"
#include "ops/int8_weight.h"
#include "ops/listed_update.h"
#include "ops/relative_rows.h"
#include "products/choice.h"

namespace permafrost {

// Where the gradient of a parameter goes; undefined where the parameter does not learn.
struct GradSink {
  at::Tensor grad;
  bool accumulate = false;
  // The rows that are other than zero, where the gradient is kept by rows: see Parameter::by_rows.
  std::vector<int32_t>* rows = nullptr;

  bool wanted() const { return grad.defined(); }
};

// Constants of one AdamW update (Loshchilov & Hutter 2019), as torch.optim.AdamW applies them.
struct AdamWStep {
  double learning_rate;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;  // 0 where the parameter is spared
  double grad_scale;    // clipping and accumulation, applied to the gradient first
  int64_t step;         // 1-based, for the bias correction
};

// Activations are of one type, fp32 or lower. At a lower one the LayerNorms, softmaxes and losses still compute in
// fp32: a tensor that they are given to overwrite may then come back as an fp32 one.
class Ops {
 public:
  virtual ~Ops() = default;

  // A forward pass starts; what an earlier one left for its way back is not needed any more.
  virtual void begin_pass() {}
  // Gradients of parameters are complete behind this: sums over tokens may wait for it.
  virtual void finish_gradients() {}
  // Which attention is used, for people.
  virtual const char* attention_name() const = 0;
  // Whose kernels do the work: `own`, or `libtorch`; and why some are not our own, empty where there is nothing to say.
  virtual const char* kernels_name() const { return "libtorch"; }
  virtual std::string why_no_kernels() const { return ""; }
  // Whether a pass needs nothing from the device but its results, as a recorded step must.
  virtual bool reads_nothing_back() const { return false; }

  // Whether a row of a dropout mask is a function of its number, not drawn from the device's generator.
  virtual bool masks_by_row() const { return true; }

  // A weight of 8 bits as `linear` likes it; see Parameter::int8.
  virtual Int8Weight pack(Int8Weight weight) { return weight; }
  // What multiplies large matrices, where there is a choice; null elsewhere.
  virtual const ProductChoice* product_choice() { return nullptr; }
  // All that there are to choose from.
  virtual std::vector<ProductLibrary*> product_libraries() const { return {}; }
  // The products of a linear map. W_OI is the weight, or its first O rows where there are fewer outputs.
  // y_TO = x_TI W^T. With `rows_apart`, the fused kernels of the CPU give a row the same bits however many rows there are.
  virtual void linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart = false);
  // Whether `linear` leaves what it makes of factors of a lower precision in fp32, as a LayerNorm sums it up.
  virtual bool sums_in_fp32() const { return false; }
  // The same with a bias_O, where that is free; otherwise the operation behind it adds the bias.
  virtual bool adds_bias_in_product() const { return false; }
  virtual void affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias);
  // y_TO = activation(x_TI W^T + bias_O), where nothing is kept for a way back.
  virtual void linear_activated(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias,
                                Activation activation, bool rows_apart);
  // dx_TI = dy_TO W, or dx_TI += dy_TO W where `add`
  virtual void linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add = false);
  // dW_OI = dy^T x, in fp32
  virtual void weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight);

  // sum_TH = word[ids] + position[positions] + token_type[0]; the last two may be undefined.
  virtual void embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                     const at::Tensor& token_type_YH, at::Tensor& sum_TH) = 0;
  // The padding token's row of the word embeddings and the row of position `batch.position_base` get no gradient,
  // as in torch.nn.Embedding.
  virtual void embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                              const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) = 0;

  // sum_TH <- residual_TH + dropout(sum_TH + bias_H); y_TH = LayerNorm(sum_TH). `residual` and `bias` may
  // be undefined. Keeps mean and reciprocal deviation of each row for the way back.
  virtual void layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                          const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps,
                          at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) = 0;
  // dsum_TH: gradient of the sum, hence of the residual. dbranch_TH: the same behind the dropout; may be
  // the very tensor dsum_TH where the dropout is off. Either may be dy_TH itself.
  virtual void layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                                   const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                                   at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                                   const GradSink& dnorm_bias, const GradSink& dbias) = 0;

  // pre_TI <- pre_TI + bias_I; y_TI = activation(pre_TI). `bias` may be undefined: pre_TI then stays.
  virtual void activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) = 0;
  // dy_TI <- gradient of pre_TI
  virtual void activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                 const GradSink& dbias) = 0;
  // Both at once: pre_TI <- activation(pre_TI), which the gradient of the next weight needs, and dy_TI <- gradient of what
  // pre_TI was. To be called where `joins_activations`: elsewhere one after the other takes less memory.
  virtual void activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation, const GradSink& dbias);
  virtual bool joins_activations() const { return false; }

  // qkv_T3H <- qkv_T3H + bias_3H, which may be undefined; y_TH = softmax(q k^T / sqrt(D)) v within each sequence, per
  // head; lse_TN: log-sum-exp of the scores.
  virtual void attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                         const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) = 0;
  virtual void attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                  const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                  const Dropout& dropout, at::Tensor& dqkv_T3H) = 0;

  // The same with disentangled attention (He et al. 2021): the score of query i and key j is
  //   (q_i . k_j + q_i . relative_key[r] + k_j . relative_query[r]) / sqrt(D * (1 + number of positional terms)),
  // where r is the row of (i, j). relative_S2H: queries, then keys, of the S rows in use.
  virtual void disentangled_attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                                      const RelativeRows& rows, const at::Tensor& relative_S2H, int64_t num_heads,
                                      const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) = 0;
  // drelative_S2H may be undefined where nobody wants it.
  virtual void disentangled_attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH,
                                               const at::Tensor& qkv_T3H, const RelativeRows& rows,
                                               const at::Tensor& relative_S2H, const at::Tensor& y_TH,
                                               const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                                               at::Tensor& dqkv_T3H, at::Tensor& drelative_S2H) = 0;

  // x_TH <- dropout(x_TH); its own derivative.
  virtual void dropout(at::Tensor& x_TH, const Dropout& dropout) = 0;
  // db_H = column sums of dy_TH
  virtual void bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) = 0;

  // Returns the sum of the cross-entropies of the labelled tokens; dlogits_TC, where defined, becomes
  // `scale` times its gradient. `logits` and `dlogits` may be one tensor.
  virtual double cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, double scale,
                               at::Tensor& dlogits_TC) = 0;
  // The same in a step that is launched ahead: the sum is a tensor of one fp32 element, and so is `scale`.
  virtual at::Tensor cross_entropy_on_device(const at::Tensor& logits_TC, const at::Tensor& labels_T,
                                             const at::Tensor& scale, at::Tensor& dlogits_TC);
  // Index of the largest logit of each token, the first one among equals.
  virtual void argmax(const at::Tensor& logits_TC, int32_t* labels_T) = 0;

  // Whether tables that are looked up are updated by rows.
  virtual bool updates_rows() const { return false; }
  virtual double squared_norm(const at::Tensor& x) = 0;
  // rounded: receives the new value in its own type; may be undefined.
  virtual void adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                     at::Tensor& rounded, const AdamWStep& step) = 0;
  // One update of many parameters in few kernels; null where there is none but `adamw`.
  virtual std::unique_ptr<ListedUpdate> listed_update(const UpdateList&) { return nullptr; }
  // Updates one after another on some rows, with a gradient of zero: row rows[i] gets those from steps[first[i]] on.
  // The same bits as `adamw` of each step. Where `updates_rows`.
  virtual void adamw_rows(const std::vector<int32_t>& rows, const std::vector<int32_t>& first,
                          const std::vector<AdamWStep>& steps, at::Tensor& value, at::Tensor& exp_avg,
                          at::Tensor& exp_avg_sq);
  // One update on some rows, with the gradient's rows.
  virtual void adamw_rows(const std::vector<int32_t>& rows, const AdamWStep& step, const at::Tensor& grad,
                          at::Tensor& value, at::Tensor& exp_avg, at::Tensor& exp_avg_sq);
};

// `fused` asks for the fast ones: the one-pass kernels on a CPU, few kernels an operation on a card.
enum class Kernels { plain, fused };

// `type`: of the activations. `products` and `shape`, of the largest map: for the products of the CPU's fused operations.
std::unique_ptr<Ops> make_ops(at::Device device, Kernels kernels, at::ScalarType type, int64_t head_size,
                              const ProductSettings& products = {}, ProductShape shape = {});

}  // namespace permafrost
