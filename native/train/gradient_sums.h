// Gradients of several shares of a batch on their way to one sum, on one rank or on several.
//
// Every share is a leaf of a tree of sums (see collective.h). What is complete of a layer goes to the other ranks as soon
// as its backward pass is done, from the last layer to the first, by a thread of its own behind the pass.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "distributed/collective.h"
#include "model/parameters.h"
#include "train/courier.h"

namespace permafrost {

class GradientSums {
 public:
  // `ordered`: whether a rank may have several leaves, or none, and every step is summed by itself, so that the bits do not depend on
  // the number of ranks; otherwise each rank has one leaf, and sums only where it is told to. `behind`: whether by a
  // thread of its own, as tensors of a CPU allow it.
  GradientSums(Parameters& parameters, Collective& collective, bool ordered, bool behind);

  // A step of this rank's leaves `first` to `first + count` of `leaves`.
  struct Step {
    int64_t leaves = 1;
    int64_t first = 0;
    int64_t count = 1;
    bool adds = false;  // to gradients that are there
    bool sums = true;   // over the ranks
    // Of a gradient that is kept by rows, those that are other than zero on any rank; ascending.
    std::vector<int32_t> rows = {};
  };
  void begin(Step step);

  // The passes of the leaves, one after another. Returns whether a pass adds to the gradients that it finds.
  bool begin_leaf();
  void add_loss(double sum);
  // The gradients of a layer are complete: first the head's, then those of the layers downwards, last the embeddings'.
  void layer_done(int64_t layer);
  // Layers whose gradients the pass did not come to have zeros.
  void end_leaf();

  // Waits for all sums, which are the parameters' gradients then, and returns the losses of all leaves in their order.
  // Throws RANK_FAILED.
  std::vector<double> finish();
  // Sums the gradients that are there, of one leaf a rank, with no losses.
  void sum_now(Step step);
  // Gives up a step halfway.
  void abandon();

 private:
  // One parameter that learns.
  struct Slot {
    Parameter* parameter;
    // Where gradients of earlier steps wait, while the parameter's own tensor takes those of a leaf.
    at::Tensor home;
    std::vector<int32_t> home_rows;
    // A table by rows for that, and tensors of a like shape that are not in use.
    at::Tensor table;
    std::vector<int32_t> table_rows;
    std::vector<at::Tensor> spares;
  };
  struct Layer {
    int64_t number;
    std::vector<Slot> slots;
    // Sums of stretches of this rank's leaves, none of which could be added to its neighbour.
    std::vector<PartialSum> partials;
  };

  void lay_out();
  bool is_last_leaf() const { return leaf_ + 1 == step_.count; }
  at::Tensor gradient_of(Slot& slot) const;
  void push(Layer& layer, std::vector<at::Tensor> tensors);
  void send();
  void run(std::function<void()> task);
  void settle(Slot& slot, const at::Tensor& sum);

  Parameters& parameters_;
  Collective& collective_;
  const bool ordered_;
  // Whether steps of this rank are those of nobody else.
  const bool alone_;
  std::unique_ptr<Courier> courier_;
  Step step_;
  int64_t leaf_ = 0;
  std::vector<Layer> layers_;  // from the head downwards
  size_t next_ = 0;            // layer of the present leaf that is not done
  size_t unsent_ = 0;          // first layer that is not on its way
  at::Tensor rows_;
  std::vector<double> losses_, all_losses_;
};

}  // namespace permafrost
