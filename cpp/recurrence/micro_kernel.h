// A block of rows times a panel of weights, in registers.
#pragma once

#include "recurrence/packing.h"
#include "recurrence/step.h"
#include "simd/activations.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <int N>
struct Count {
  static constexpr int value = N;
};

// Rows of a block whose panels are `vectors` wide: as many as keep the accumulators in registers.
constexpr int block_rows(int vectors) { return kAccumulators / vectors < 12 ? kAccumulators / vectors : 12; }
static_assert(2 * 12 <= kScratchRows, "the step's scratch holds two values per unit of a block");

// sums[r][v] += sum over k of a[r][k] * panel[k][v]: one chain of multiply-adds per element, in the order of
// k.
template <class S, int Rows, int Vectors>
SULSUL_INLINE void multiply_rows(std::int64_t depth, const typename S::T* a, std::int64_t a_stride,
                                 const typename S::T* panel, typename S::Reg (&sums)[Rows][Vectors]) {
  for (std::int64_t k = 0; k < depth; ++k, ++a, panel += Vectors * S::lanes) {
    typename S::Reg weights[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) weights[v] = S::load(panel + v * S::lanes);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const typename S::Reg x = S::set(a[r * a_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sums[r][v] = S::fma(x, weights[v], sums[r][v]);
    }
  }
}

template <int Rows, class F>
SULSUL_INLINE void call_with_rows(std::int64_t rows, std::int64_t first, const F& f) {
  if constexpr (Rows == 1) {
    f(Count<1>{}, first);
  } else {
    if (rows == Rows) return f(Count<Rows>{}, first);
    call_with_rows<Rows - 1>(rows, first, f);
  }
}

// f(Count<n>, first row) for blocks of at most MaxRows rows, of nearly equal size.
template <int MaxRows, class F>
SULSUL_INLINE void for_row_blocks(std::int64_t rows, const F& f) {
  for (std::int64_t blocks = (rows + MaxRows - 1) / MaxRows, first = 0; blocks > 0; --blocks) {
    const std::int64_t n = (rows - first + blocks - 1) / blocks;
    call_with_rows<MaxRows>(n, first, f);
    first += n;
  }
}

// f(Count<vectors>, first unit, panel) for every panel of pack_columns().
template <class S, class F>
SULSUL_INLINE void for_panels(std::int64_t depth, std::int64_t padded_units, const typename S::T* panel,
                              const F& f) {
  static_assert(kPanelVectors == 4, "the widths below");
  for (std::int64_t unit = 0; unit < padded_units; unit += 4 * S::lanes, panel += depth * 4 * S::lanes) {
    switch ((padded_units - unit) / S::lanes) {
      case 1:
        f(Count<1>{}, unit, panel);
        break;
      case 2:
        f(Count<2>{}, unit, panel);
        break;
      case 3:
        f(Count<3>{}, unit, panel);
        break;
      default:
        f(Count<4>{}, unit, panel);
    }
  }
}

// The lanes of one vector of units that exist.
template <class S>
struct Units {
  typename S::Mask mask;
  bool full;

  SULSUL_INLINE Units(std::int64_t first, std::int64_t units)
      : mask(S::first(units - first)), full(units - first >= S::lanes) {}
  SULSUL_INLINE typename S::Reg load(const typename S::T* p) const {
    return full ? S::load(p) : S::load(p, mask);
  }
  // A masked store cannot be forwarded to the loads that follow: only where it must be.
  SULSUL_INLINE void store(typename S::T* p, typename S::Reg v) const {
    full ? S::store(p, v) : S::store(p, v, mask);
  }
};

template <class T>
SULSUL_INLINE const T* source_row(const ForwardStep<T>& s, std::int64_t row) {
  return s.source + (s.token_ids ? s.token_ids[row * s.token_stride] : row) * s.source_stride;
}

// The rows a product reads while the states are overwritten: the states themselves if one panel covers all
// units, since everything is read before anything is written, else a copy.
template <class S, int Rows>
SULSUL_INLINE const typename S::T* previous_states(const ForwardStep<typename S::T>& s, std::int64_t first,
                                                   std::int64_t padded_units, bool one_panel,
                                                   std::int64_t* stride) {
  const typename S::T* h = s.h + first * s.state_stride;
  *stride = s.state_stride;
  if (one_panel) return h;
  *stride = padded_units;
  for (int r = 0; r < Rows; ++r) {
    for (std::int64_t unit = 0; unit < padded_units; unit += S::lanes) {
      S::store(s.scratch + r * padded_units + unit, S::load(h + r * s.state_stride + unit));
    }
  }
  return s.scratch;
}

template <class S, int Rows, int Vectors>
SULSUL_INLINE void store_states(typename S::T* states, std::int64_t stride,
                                const typename S::Reg (&values)[Rows][Vectors]) {
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) S::store(states + r * stride + v * S::lanes, values[r][v]);
  }
}

template <class S, int Rows, int Vectors>
SULSUL_INLINE void add_states(typename S::T* states, std::int64_t stride,
                              const typename S::Reg (&values)[Rows][Vectors]) {
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      typename S::T* state = states + r * stride + v * S::lanes;
      S::store(state, S::load(state) + values[r][v]);
    }
  }
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
