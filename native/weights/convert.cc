#include "weights/convert.h"

#include "core/error.h"

namespace permafrost {

ElementType parse_element_type(const std::string& name) {
  if (name == "F32") return ElementType::f32;
  if (name == "F16") return ElementType::f16;
  if (name == "BF16") return ElementType::bf16;
  fail(ErrorCode::WEIGHTS_FORMAT, "Weights of type '", name, "' cannot be read. Expected F32, F16 or BF16.");
}

at::ScalarType scalar_of(ElementType type) {
  return type == ElementType::f32 ? at::kFloat : type == ElementType::f16 ? at::kHalf : at::kBFloat16;
}

void write_elements(const std::string& name, ElementType type, const uint8_t* data, size_t size, at::Tensor target) {
  const at::ScalarType scalar = scalar_of(type);
  const size_t expected = static_cast<size_t>(target.numel()) * c10::elementSize(scalar);
  check(size == expected, ErrorCode::WEIGHTS_MISMATCH, "Tensor '", name, "' needs ", expected, " bytes, got ", size, ".");
  // The view only reads.
  const at::Tensor stored = at::from_blob(const_cast<uint8_t*>(data), target.sizes(), scalar);
  target.copy_(stored);
}

void write_rows(const std::string& name, ElementType type, const uint8_t* data, size_t size,
                const std::vector<int32_t>& rows, at::Tensor target) {
  std::vector<int64_t> sizes = target.sizes().vec();
  sizes[0] = static_cast<int64_t>(rows.size());
  at::Tensor stored = at::empty(sizes, at::kFloat);
  write_elements(name, type, data, size, stored);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r] < 0) continue;
    check(rows[r] < target.size(0), ErrorCode::WEIGHTS_MISMATCH, "Tensor '", name, "' has no row ", rows[r], ".");
    target[rows[r]].copy_(stored[static_cast<int64_t>(r)]);
  }
}

}  // namespace permafrost
