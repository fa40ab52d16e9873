// mma.sync and ldmatrix by the layouts of the PTX manual ("Matrix Fragments for mma.m16n8k16 with floating point type",
// "Warp-level matrix load instruction: ldmatrix").
#include <cstring>

#include "test/emulator/block.h"

namespace permafrost::emulator {

namespace {

float half_of(unsigned packed, int which) {
  const unsigned bits = (which == 0 ? packed : packed >> 16) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

struct Product {
  float* d;
  const unsigned *a, *b;
};

void multiply(void* const (&payloads)[32]) {
  float a[16][16], b[16][8], d[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    if (payloads[lane] == nullptr) fault("mma.sync without all lanes of the warp");
    const auto* own = static_cast<Product*>(payloads[lane]);
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      for (int r = 0; r < 4; ++r) a[group + r % 2 * 8][pair + r / 2 * 8 + half] = half_of(own->a[r], half);
      for (int r = 0; r < 2; ++r) b[pair + r * 8 + half][group] = half_of(own->b[r], half);
      for (int r = 0; r < 2; ++r) d[group + r * 8][pair + half] = own->d[r * 2 + half];
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0;
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      d[row][column] += sum;
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    const auto* own = static_cast<Product*>(payloads[lane]);
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int r = 0; r < 4; ++r) own->d[r] = d[group + r / 2 * 8][pair + r % 2];
  }
}

struct Load {
  unsigned* registers;
  int matrices;
  bool transposed;
  uint16_t row[8];
};

void load(void* const (&payloads)[32]) {
  for (int lane = 0; lane < 32; ++lane) {
    if (payloads[lane] == nullptr) fault("ldmatrix without all lanes of the warp");
    auto* own = static_cast<Load*>(payloads[lane]);
    for (int matrix = 0; matrix < own->matrices; ++matrix) {
      unsigned packed = 0;
      for (int half = 0; half < 2; ++half) {
        const int row = own->transposed ? lane % 4 * 2 + half : lane / 4;
        const int column = own->transposed ? lane / 4 : lane % 4 * 2 + half;
        const auto* source = static_cast<const Load*>(payloads[matrix * 8 + row]);
        packed |= static_cast<unsigned>(source->row[column]) << (16 * half);
      }
      own->registers[matrix] = packed;
    }
  }
}

}  // namespace

void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Site site) {
  Product product{d, a, b};
  warp_meeting(0xffffffffu, multiply, &product, site);
}

void ldmatrix_rows(unsigned* registers, int matrices, const Pointer<const uint16_t>& row, bool transposed, Site site) {
  struct alignas(16) Row {
    uint16_t elements[8];
  };
  Load own{registers, matrices, transposed, {}};
  // Lanes beyond the matrices give an address that nothing is read from.
  if (thread_index().x % 32 < static_cast<unsigned>(matrices) * 8) {
    const Row elements = row.read<Row>();
    std::memcpy(own.row, elements.elements, sizeof(own.row));
  }
  warp_meeting(0xffffffffu, load, &own, site);
}

}  // namespace permafrost::emulator
