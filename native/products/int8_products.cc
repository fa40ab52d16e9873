#include "products/int8_products.h"

namespace permafrost {

Int8Weight Int8Products::pack(Int8Weight weight) const {
  const at::Tensor rounded_OI = weight.values.contiguous();
  weight.values = at::empty({kernels_.packed_bytes(weight.outputs, weight.inputs)}, at::kByte);
  kernels_.pack_weights(rounded_OI.data_ptr<int8_t>(), weight.outputs, weight.inputs, weight.values.data_ptr<uint8_t>());
  return weight;
}

void Int8Products::linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Int8Weight& weight, const at::Tensor& bias_O,
                          int activation) {
  const int64_t num_tokens = x_TI.size(0);
  const auto bytes = static_cast<size_t>(num_tokens * kernels_.row_bytes(weight.inputs));
  if (values_.size() < bytes) values_.resize(bytes);
  if (steps_.size() < static_cast<size_t>(num_tokens)) {
    steps_.resize(static_cast<size_t>(num_tokens));
    centres_.resize(static_cast<size_t>(num_tokens));
  }
  kernels_.quantize_rows(x_TI.data_ptr<float>(), x_TI.stride(0), num_tokens, weight.inputs, values_.data(), steps_.data(),
                         centres_.data());
  kernels_.product({num_tokens, y_TO.size(1), weight.inputs, values_.data(), steps_.data(), centres_.data(),
                    weight.values.data_ptr<uint8_t>(), weight.scale_O.data_ptr<float>(),
                    weight.row_sum_O.data_ptr<float>(), bias_O.defined() ? bias_O.data_ptr<float>() : nullptr,
                    y_TO.data_ptr<float>(), y_TO.stride(0), activation});
}

}  // namespace permafrost
