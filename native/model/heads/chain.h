// A linear chain of labels: its likelihood by the forward and backward recursions, and its gradients.
#pragma once

#include <cstdint>
#include <vector>

namespace permafrost {

// Scores of what comes first, of what follows what, and of what comes last, over C labels.
class ChainTransitions {
 public:
  ChainTransitions(std::vector<double> start_C, std::vector<double> transitions_CC, std::vector<double> end_C);

  int64_t classes() const { return static_cast<int64_t>(start_C.size()); }
  double at(int64_t from, int64_t to) const { return scores_CC[static_cast<size_t>(from * classes() + to)]; }

  const std::vector<double> start_C, scores_CC, end_C;
  // exp(score - largest), by which a sum over pairs is a matrix product.
  double largest;
  std::vector<double> exp_CC;
};

// Gradients of the transitions, summed over chains.
struct ChainGradients {
  explicit ChainGradients(int64_t classes)
      : start_C(static_cast<size_t>(classes)), scores_CC(static_cast<size_t>(classes * classes)),
        end_C(static_cast<size_t>(classes)) {}
  void add(const ChainGradients& other);

  std::vector<double> start_C, scores_CC, end_C;
};

// Negative log likelihood of a chain of N >= 1 labels (Lafferty et al. 2001): log Z - score, where the score of a chain is
// the sum of its emissions and transitions and Z the sum of exp(score) over all C^N of them. Exact: where a product of
// exponentials would lose a term, the sum is taken of logarithms.
//
// emissions_NC: scores of the labels at each place. Where `gradients` is given, `weight` times the gradients are added to
// it and written to demissions_NC.
double chain_loss(const ChainTransitions& transitions, const float* emissions_NC, const int32_t* labels_N, int64_t length,
                  double weight, double* demissions_NC, ChainGradients* gradients);

}  // namespace permafrost
