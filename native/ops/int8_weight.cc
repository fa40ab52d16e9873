#include "ops/int8_weight.h"

namespace permafrost {

namespace {

constexpr double kLargest = 127;
constexpr double kLeastStep = 1e-30;

}  // namespace

Int8Weight round_to_int8(const at::Tensor& weight_OI) {
  const at::Tensor exact_OI = weight_OI.to(at::kDouble);
  const at::Tensor largest_O = exact_OI.abs().amax(1);
  const at::Tensor scale_O = at::where(largest_O == 0, at::ones_like(largest_O), largest_O / kLargest).to(at::kFloat);
  // Halves are rounded up, as JavaScript does in the export.
  const at::Tensor values_OI = (exact_OI / scale_O.to(at::kDouble).unsqueeze(1) + 0.5).floor_();
  const at::Tensor row_sum_O = (scale_O.to(at::kDouble) * values_OI.sum(1)).to(at::kFloat);
  return {weight_OI.size(0), weight_OI.size(1), values_OI.to(at::kChar), scale_O, row_sum_O};
}

void multiply_in_int8(at::Tensor& y_TO, const at::Tensor& x_TI, const Int8Weight& weight) {
  const int64_t outputs = y_TO.size(1);
  const at::Tensor high_T = x_TI.amax(1, true), low_T = x_TI.amin(1, true);
  const at::Tensor centre_T = (high_T + low_T) * 0.5;
  const at::Tensor step_T = ((high_T - low_T) * (1 / (2 * kLargest))).clamp_min(kLeastStep);
  const at::Tensor values_TI = ((x_TI - centre_T) / step_T).round();
  // Whole numbers far below 2^53 are exact in double precision, whatever the order of their sum.
  const at::Tensor sums_TO = at::mm(values_TI.to(at::kDouble), weight.values.slice(0, 0, outputs).to(at::kDouble).t());
  y_TO.copy_(sums_TO.to(at::kFloat) * (step_T * weight.scale_O.slice(0, 0, outputs)) +
             centre_T * weight.row_sum_O.slice(0, 0, outputs));
}

}  // namespace permafrost
