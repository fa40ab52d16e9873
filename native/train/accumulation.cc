#include "train/accumulation.h"

#include <utility>

#include "core/error.h"

namespace permafrost {

Accumulation::Accumulation(Parameters& parameters, Optimizer& optimizer, Collective& collective, const Options& options)
    : optimizer_(optimizer), collective_(collective), options_(options),
      sums_(parameters, collective, options.shards > 0, options.behind) {}

BatchShare Accumulation::add(const Announcement& own, bool update_now) {
  // A single batch has its mean gradient from the start, as Hugging Face computes it. Several batches add up the
  // gradients of their summed losses and are divided by the weight of all their labels at the update, so that a large batch and its
  // parts give the same.
  const bool single = options_.batches == 1;
  const bool is_one = collective_.size() == 1 && options_.shards == 0;
  const Announcement all = is_one ? own : announce(collective_, own, leaves());
  BatchShare share;
  share.longest = all.longest;
  share.flags = all.flags;
  share.rows = all.rows;
  for (const ShareFacts& facts : all.shares) {
    share.labelled += facts.labelled;
    share.tokens += facts.tokens;
    share.weight += facts.weight;
  }
  check(share.labelled > 0, ErrorCode::INVALID_BATCH, "No token of the batch has a label: all are ", kIgnoredLabel,
        ", so there is nothing to learn from.");
  weight_ += share.weight;
  share.adds = waiting_ > 0;
  share.updates = ++waiting_ >= options_.batches || update_now;
  share.loss_scale = single ? 1.0 / share.weight : 1.0;
  share.mean_scale = single ? 1.0 : 1.0 / weight_;
  unite(rows_, share.rows);
  // Shards are summed batch by batch, and so are their rows.
  const bool ordered = options_.shards > 0;
  step_ = {leaves(), own.first, static_cast<int64_t>(own.shares.size()), share.adds, ordered || share.updates,
           ordered ? share.rows : rows_};
  sums_.begin(step_);
  if (share.updates) drop();
  return share;
}

BatchShare Accumulation::look(const Announcement& own) {
  drop();
  BatchShare share = add(own, true);
  share.loss_scale = 1.0 / share.weight;
  share.updates = false;
  return share;
}

void Accumulation::drop() {
  waiting_ = 0;
  weight_ = 0;
  rows_.clear();
}

double Accumulation::finish() {
  double sum = 0;
  for (const double loss : sums_.finish()) sum += loss;
  // Other ranks have read rows that the passes of this one have not brought up to date.
  optimizer_.settle_rows(step_.rows);
  return sum;
}

void Accumulation::sum_on_device(const at::Tensor& loss_sum) {
  collective_.sum({loss_sum});
  if (step_.sums) sums_.sum_now(step_);
}

}  // namespace permafrost
