// Sums of rows: the gradient of a bias, and of a table that rows were looked up in.
#pragma once

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T>
SULSUL_INLINE void add_row(std::int64_t columns, const T* row, T* sum) {
  using S = Simd<T>;
  std::int64_t i = 0;
  for (; i + S::lanes <= columns; i += S::lanes) S::store(sum + i, S::load(sum + i) + S::load(row + i));
  if (i == columns) return;
  const typename S::Mask tail = S::first(columns - i);
  S::store(sum + i, S::load(sum + i, tail) + S::load(row + i, tail), tail);
}

// A few vectors of columns at a time stay in registers while the rows pass.
template <class T>
void add_rows(std::int64_t rows, std::int64_t columns, const T* source, std::int64_t stride, T* sum) {
  using S = Simd<T>;
  constexpr int kVectors = 4;
  std::int64_t i = 0;
  for (; i + kVectors * S::lanes <= columns; i += kVectors * S::lanes) {
    typename S::Reg sums[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[v] = S::load(sum + i + v * S::lanes);
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[v] += S::load(source + r * stride + i + v * S::lanes);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) S::store(sum + i + v * S::lanes, sums[v]);
  }
  for (std::int64_t r = 0; r < rows && i < columns; ++r)
    add_row(columns - i, source + r * stride + i, sum + i);
}

template <class T>
void add_matrix(std::int64_t rows, std::int64_t columns, const T* source, std::int64_t stride, T* sum,
                std::int64_t sum_stride) {
  for (std::int64_t r = 0; r < rows; ++r) add_row(columns, source + r * stride, sum + r * sum_stride);
}

template <class T>
void scatter_add(std::int64_t rows, std::int64_t columns, const std::int64_t* token_ids, const T* source,
                 std::int64_t stride, T* table, std::int64_t table_stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    add_row(columns, source + r * stride, table + token_ids[r] * table_stride);
  }
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
