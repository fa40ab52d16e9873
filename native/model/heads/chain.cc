#include "model/heads/chain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace permafrost {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
// Sums of exponentials below this may have lost terms; so may products beyond e to this power.
constexpr double kSmallestSum = 1e-250;
constexpr double kLargestPower = 575;

std::vector<double> exp_of(const std::vector<double>& scores, double shift) {
  std::vector<double> result(scores.size());
  std::transform(scores.begin(), scores.end(), result.begin(), [&](double score) { return std::exp(score - shift); });
  return result;
}

double largest_of(const double* values, int64_t count) { return *std::max_element(values, values + count); }

// log sum_k exp(term(k))
template <typename Term>
double log_sum(int64_t count, const Term& term) {
  double largest = kNever, sum = 0;
  for (int64_t k = 0; k < count; ++k) largest = std::max(largest, term(k));
  if (largest == kNever) return kNever;
  for (int64_t k = 0; k < count; ++k) sum += std::exp(term(k) - largest);
  return largest + std::log(sum);
}

// log sum_i exp(x_i + score(i, j)) of each j, or where `backward` log sum_j exp(score(i, j) + x_j) of each i.
void through(const ChainTransitions& transitions, const double* x_C, bool backward, double* result_C) {
  const int64_t classes = transitions.classes();
  const double largest = largest_of(x_C, classes);
  std::vector<double> exp_C(static_cast<size_t>(classes)), sums_C(static_cast<size_t>(classes));
  for (int64_t k = 0; k < classes; ++k) exp_C[k] = std::exp(x_C[k] - largest);
  for (int64_t i = 0; i < classes; ++i) {
    const double* row = transitions.exp_CC.data() + i * classes;
    for (int64_t j = 0; j < classes; ++j) {
      if (backward) {
        sums_C[i] += row[j] * exp_C[j];
      } else {
        sums_C[j] += exp_C[i] * row[j];
      }
    }
  }
  for (int64_t k = 0; k < classes; ++k) {
    if (sums_C[k] > kSmallestSum) {
      result_C[k] = largest + transitions.largest + std::log(sums_C[k]);
    } else {
      result_C[k] = log_sum(classes, [&](int64_t other) {
        return x_C[other] + (backward ? transitions.at(k, other) : transitions.at(other, k));
      });
    }
  }
}

// Adds weight P(y_t = i, y_t+1 = j) to the sums, where a_C are the forward scores at t, b_C the backward scores with the
// emissions at t + 1.
void add_pairs(const ChainTransitions& transitions, const double* a_C, const double* b_C, double log_z, double weight,
               std::vector<double>& sums_CC) {
  const int64_t classes = transitions.classes();
  const double largest_a = largest_of(a_C, classes), largest_b = largest_of(b_C, classes);
  const double power = largest_a + largest_b + transitions.largest - log_z;
  std::vector<double> exp_C(static_cast<size_t>(classes));
  const bool is_safe = power < kLargestPower;
  if (is_safe) {
    for (int64_t j = 0; j < classes; ++j) exp_C[j] = std::exp(b_C[j] - largest_b);
  }
  for (int64_t i = 0; i < classes; ++i) {
    double* row = sums_CC.data() + i * classes;
    if (is_safe) {
      const double factor = weight * std::exp(a_C[i] - largest_a + power);
      const double* exp_row = transitions.exp_CC.data() + i * classes;
      for (int64_t j = 0; j < classes; ++j) row[j] += factor * exp_row[j] * exp_C[j];
    } else {
      for (int64_t j = 0; j < classes; ++j) row[j] += weight * std::exp(a_C[i] + transitions.at(i, j) + b_C[j] - log_z);
    }
  }
}

}  // namespace

ChainTransitions::ChainTransitions(std::vector<double> start, std::vector<double> transitions, std::vector<double> end)
    : start_C(std::move(start)), scores_CC(std::move(transitions)), end_C(std::move(end)),
      largest(largest_of(scores_CC.data(), static_cast<int64_t>(scores_CC.size()))),
      exp_CC(exp_of(scores_CC, largest)) {}

void ChainGradients::add(const ChainGradients& other) {
  const auto add_to = [](std::vector<double>& sums, const std::vector<double>& more) {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
  };
  add_to(start_C, other.start_C);
  add_to(scores_CC, other.scores_CC);
  add_to(end_C, other.end_C);
}

double chain_loss(const ChainTransitions& transitions, const float* emissions_NC, const int32_t* labels_N, int64_t length,
                  double weight, double* demissions_NC, ChainGradients* gradients) {
  const int64_t classes = transitions.classes();
  const auto at = [classes](auto* rows, int64_t n) { return rows + n * classes; };
  // forward_NC: log of the sum over all beginnings that end here, this place's emission included.
  std::vector<double> forward_NC(static_cast<size_t>(length * classes));
  double score = 0;
  for (int64_t n = 0; n < length; ++n) {
    double* forward_C = at(forward_NC.data(), n);
    if (n == 0) {
      std::copy(transitions.start_C.begin(), transitions.start_C.end(), forward_C);
      score += transitions.start_C[labels_N[0]];
    } else {
      through(transitions, at(forward_NC.data(), n - 1), false, forward_C);
      score += transitions.at(labels_N[n - 1], labels_N[n]);
    }
    const float* emissions_C = at(emissions_NC, n);
    for (int64_t c = 0; c < classes; ++c) forward_C[c] += emissions_C[c];
    score += emissions_C[labels_N[n]];
  }
  const double* last_C = at(forward_NC.data(), length - 1);
  const int32_t last_label = labels_N[length - 1];
  score += transitions.end_C[last_label];
  const double log_z = log_sum(classes, [&](int64_t c) { return last_C[c] + transitions.end_C[c]; });
  if (gradients == nullptr) return log_z - score;

  std::vector<double> backward_C = transitions.end_C, next_C(static_cast<size_t>(classes));
  for (int64_t n = length - 1; n >= 0; --n) {
    const double* forward_C = at(forward_NC.data(), n);
    double* marginal_C = at(demissions_NC, n);
    for (int64_t c = 0; c < classes; ++c) marginal_C[c] = weight * std::exp(forward_C[c] + backward_C[c] - log_z);
    marginal_C[labels_N[n]] -= weight;
    for (int64_t c = 0; c < classes; ++c) {
      if (n == 0) gradients->start_C[c] += marginal_C[c];
      if (n == length - 1) gradients->end_C[c] += marginal_C[c];
    }
    if (n == 0) break;
    for (int64_t c = 0; c < classes; ++c) next_C[c] = backward_C[c] + at(emissions_NC, n)[c];
    add_pairs(transitions, at(forward_NC.data(), n - 1), next_C.data(), log_z, weight, gradients->scores_CC);
    gradients->scores_CC[labels_N[n - 1] * classes + labels_N[n]] -= weight;
    through(transitions, next_C.data(), true, backward_C.data());
  }
  return log_z - score;
}

}  // namespace permafrost
