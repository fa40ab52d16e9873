#include "ops/plain/mask.h"

#include "core/parallel.h"

namespace permafrost {

at::Tensor dropout_factors(const Dropout& dropout, int64_t rows, int64_t columns, int64_t first_row,
                           at::Device device) {
  at::Tensor factors = at::empty({rows, columns}, at::kFloat);
  float* data = factors.data_ptr<float>();
  parallel_for(rows, 16, [&](int64_t row) {
    const uint32_t number = dropout.row(first_row + row);
    for (int64_t column = 0; column < columns; ++column) {
      data[row * columns + column] = mask_factor(dropout, number, column);
    }
  });
  return device.is_cpu() ? factors : factors.to(device);
}

}  // namespace permafrost
