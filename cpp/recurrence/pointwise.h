// What the element-wise halves of the cells share.
#pragma once

#include "recurrence/row_product.h"
#include "recurrence/step.h"
#include "simd/activations.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// The lanes of one vector of units that exist: all of them, or the last vector's few.
template <class S, bool Full>
struct Units {
  using T = typename S::T;
  typename S::Mask mask;

  explicit SULSUL_INLINE Units(std::int64_t left) : mask(S::first(left)) {}
  SULSUL_INLINE typename S::Reg load(const T* p) const {
    if constexpr (Full) return S::load(p);
    return S::load(p, mask);
  }
  // A masked store cannot be forwarded to the loads that follow: only where it must be.
  SULSUL_INLINE void store(T* p, typename S::Reg v) const {
    if constexpr (Full) {
      S::store(p, v);
    } else {
      S::store(p, v, mask);
    }
  }
};

// f(lanes, first unit) for each vector of units.
template <class S, class F>
SULSUL_INLINE void for_units(std::int64_t units, const F& f) {
  std::int64_t u = 0;
  for (; u + S::lanes <= units; u += S::lanes) f(Units<S, true>(S::lanes), u);
  if (u < units) f(Units<S, false>(units - u), u);
}

// f(first row, rows) for blocks of at most `most` rows, of nearly equal size.
template <class F>
SULSUL_INLINE void for_row_blocks(std::int64_t rows, std::int64_t most, const F& f) {
  for (std::int64_t blocks = (rows + most - 1) / most, first = 0; blocks > 0; --blocks) {
    const std::int64_t n = (rows - first + blocks - 1) / blocks;
    f(first, n);
    first += n;
  }
}

template <class T>
SULSUL_INLINE const T* source_row(const ForwardStep<T>& s, std::int64_t row) {
  return s.source + (s.token_ids ? s.token_ids[row * s.token_stride] : row) * s.source_stride;
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
