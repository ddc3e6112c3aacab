// What the element-wise halves of the cells share.
#pragma once

#include "recurrence/row_product.h"
#include "recurrence/step.h"
#include "simd/activations.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// A few vectors of units that are worked on side by side: neighbours of one row, or the same units of several
// rows. Not Full: only the first lanes of each exist.
template <class S, int Size, bool AlongUnits, bool Full>
struct Group {
  using T = typename S::T;
  using Reg = typename S::Reg;
  static constexpr int size = Size;
  std::int64_t first_row, first_unit;
  typename S::Mask mask;

  SULSUL_INLINE Group(std::int64_t row, std::int64_t unit, std::int64_t units)
      : first_row(row), first_unit(unit), mask(S::first(units - unit)) {}
  SULSUL_INLINE std::int64_t row(int j) const { return AlongUnits ? first_row : first_row + j; }
  SULSUL_INLINE std::int64_t unit(int j) const { return AlongUnits ? first_unit + j * S::lanes : first_unit; }
  SULSUL_INLINE Reg load(const T* p) const {
    if constexpr (Full) return S::load(p);
    return S::load(p, mask);
  }
  // Past the caches if asked: for what is not read again soon.
  SULSUL_INLINE void store(T* p, Reg v, bool stream = false) const {
    if constexpr (Full) {
      stream ? S::stream(p, v) : S::store(p, v);
    } else {
      S::store(p, v, mask);
    }
  }
};

#define SULSUL_INLINE_LAMBDA __attribute__((always_inline))

// f(group) until every unit of every row has been in one. At most Size vectors at a time.
template <class S, int Size, class F>
SULSUL_INLINE void for_groups(std::int64_t rows, std::int64_t units, const F& f) {
  if (units > S::lanes) {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t u = 0;
      for (; u + Size * S::lanes <= units; u += Size * S::lanes) f(Group<S, Size, true, true>(row, u, units));
      if constexpr (Size > 1) {
        for (; u + S::lanes <= units; u += S::lanes) f(Group<S, 1, true, true>(row, u, units));
      }
      if (u < units) f(Group<S, 1, true, false>(row, u, units));
    }
    return;
  }
  std::int64_t row = 0;
  if (units == S::lanes) {
    for (; row + Size <= rows; row += Size) f(Group<S, Size, false, true>(row, 0, units));
  } else {
    for (; row + Size <= rows; row += Size) f(Group<S, Size, false, false>(row, 0, units));
  }
  for (; row < rows; ++row) f(Group<S, 1, false, false>(row, 0, units));
}

// f(first row, rows) for the blocks that a product with so many columns takes at a time.
template <class Product, class F>
SULSUL_INLINE void for_row_blocks(std::int64_t rows, std::int64_t columns, const F& f) {
  const std::int64_t most = Product::block_rows(columns);
  for (std::int64_t blocks = (rows + most - 1) / most, first = 0; blocks > 0; --blocks) {
    const std::int64_t left = rows - first;
    const std::int64_t n = Product::kEvenBlocks ? (left + blocks - 1) / blocks : left < most ? left : most;
    f(first, n);
    first += n;
  }
}

template <class T>
SULSUL_INLINE const T* source_row(const ForwardStep<T>& s, std::int64_t row) {
  return s.source + (s.token_ids ? s.token_ids[row * s.token_stride] : row) * s.source_stride;
}

// Rows of a matrix.
template <class T>
struct Matrix {
  T* data;
  std::int64_t stride;

  SULSUL_INLINE T* at(std::int64_t row, std::int64_t column) const { return data + row * stride + column; }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
