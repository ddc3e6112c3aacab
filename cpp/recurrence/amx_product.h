// How a step multiplies on AMX: bfloat16 tiles, float sums.
#pragma once

#include "matmul/kernels.h"

namespace sulsul::amx {
namespace {

template <const MatmulKernels<float>& Kernels>
struct AmxProduct {
  static constexpr std::int64_t kMostRows = 32;  // two tiles, as the kernels take them
  static constexpr bool kEvenBlocks = false;

  static inline __attribute__((always_inline)) std::int64_t block_rows(std::int64_t) { return kMostRows; }

  static void multiply(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t a_stride,
                       const void* packed, std::int64_t columns, bool add, float* out,
                       std::int64_t out_stride) {
    Kernels.multiply(rows, depth, columns, a, a_stride, packed, nullptr, add, out, out_stride);
  }
  static std::size_t packed_size(std::int64_t depth, std::int64_t columns) {
    return Kernels.packed_size(depth, columns);
  }
  static void pack(std::int64_t depth, std::int64_t columns, const float* b, std::int64_t b_stride,
                   bool transposed, void* packed) {
    Kernels.pack(depth, columns, b, b_stride, transposed, packed);
  }
};

}  // namespace
}  // namespace sulsul::amx
