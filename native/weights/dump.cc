#include "weights/dump.h"

#include <algorithm>

#include "core/file.h"

namespace permafrost {

void dump_elements(int descriptor, const at::Tensor& values, at::ScalarType type) {
  // Elements on their way from a card, or to another type, at a time.
  constexpr int64_t kPart = int64_t{1} << 22;
  const at::Tensor flat = values.reshape({-1});
  for (int64_t begin = 0; begin < flat.numel(); begin += kPart) {
    const int64_t count = std::min(kPart, flat.numel() - begin);
    const at::Tensor part = flat.narrow(0, begin, count).to(at::kCPU, type).contiguous();
    write_all(descriptor, part.data_ptr(), part.nbytes());
  }
}

}  // namespace permafrost
