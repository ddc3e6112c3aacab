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

// The sums of one vector of columns. Every fourth row goes to its own sum, because additions that wait for
// one another take four times as long; the four are added in a fixed order.
template <class T, class Load>
SULSUL_INLINE typename Simd<T>::Reg sum_of_rows(std::int64_t rows, const T* source, std::int64_t stride,
                                                const Load& load) {
  typename Simd<T>::Reg sums[4] = {};
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4, source += 4 * stride) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] += load(source + i * stride);
  }
  for (int i = 0; r < rows; ++i, ++r) sums[i] += load(source + i * stride);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class T>
void add_rows(std::int64_t rows, std::int64_t columns, const T* source, std::int64_t stride, T* sum) {
  using S = Simd<T>;
  std::int64_t i = 0;
  for (; i + S::lanes <= columns; i += S::lanes) {
    S::store(sum + i, S::load(sum + i) +
                          sum_of_rows<T>(rows, source + i, stride, [](const T* p) { return S::load(p); }));
  }
  if (i == columns) return;
  const typename S::Mask tail = S::first(columns - i);
  const auto load = [&](const T* p) { return S::load(p, tail); };
  S::store(sum + i, load(sum + i) + sum_of_rows<T>(rows, source + i, stride, load), tail);
}

// One tile of add_products(): Rows rows of the sum, one vector of columns.
template <class T, int Rows, class Load>
SULSUL_INLINE void add_product_tile(std::int64_t n, const T* a, std::int64_t a_stride, const T* b,
                                    std::int64_t b_stride, const Load& load,
                                    typename Simd<T>::Reg (&sums)[Rows]) {
  using S = Simd<T>;
  for (std::int64_t k = 0; k < n; ++k, a += a_stride, b += b_stride) {
    const typename S::Reg row = load(b);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) sums[r] = S::fma(S::set(a[r]), row, sums[r]);
  }
}

// sum(m, columns) += a^T b for a(n, m), b(n, columns), where both are narrow: nothing is copied or packed.
template <class T>
void add_products(std::int64_t n, std::int64_t m, std::int64_t columns, const T* a, std::int64_t a_stride,
                  const T* b, std::int64_t b_stride, T* sum, std::int64_t sum_stride) {
  using S = Simd<T>;
  constexpr int kRows = 8;
  for (std::int64_t j = 0; j < columns; j += S::lanes) {
    const typename S::Mask mask = S::first(columns - j);
    const auto load = [&](const T* p) __attribute__((always_inline)) { return S::load(p, mask); };
    std::int64_t i = 0;
    for (; i + kRows <= m; i += kRows) {
      typename S::Reg sums[kRows] = {};
      add_product_tile<T, kRows>(n, a + i, a_stride, b + j, b_stride, load, sums);
      for (int r = 0; r < kRows; ++r) {
        T* out = sum + (i + r) * sum_stride + j;
        S::store(out, S::load(out, mask) + sums[r], mask);
      }
    }
    for (; i < m; ++i) {
      typename S::Reg sums[1] = {};
      add_product_tile<T, 1>(n, a + i, a_stride, b + j, b_stride, load, sums);
      T* out = sum + i * sum_stride + j;
      S::store(out, S::load(out, mask) + sums[0], mask);
    }
  }
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
