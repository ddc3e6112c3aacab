// A block of rows times packed weights.
#pragma once

#include "recurrence/packing.h"
#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// Rows of a register tile that is v vectors wide: as many as keep the sums, one row of weights and one
// element in registers (32 with AVX-512, else 16).
#if defined(SULSUL_ISA_AVX512)
constexpr int kTileRows[kPanelVectors + 1] = {0, 12, 12, 8, 6};
#else
constexpr int kTileRows[kPanelVectors + 1] = {0, 8, 4, 4, 3};
#endif
static_assert(kTileRows[1] <= kScratchRows && kTileRows[2] <= kScratchRows, "scratch rows");

template <class T>
struct Tile {
  std::int64_t depth;
  const T* a;
  std::int64_t a_stride;
  const T* panel;
  T* out;
  std::int64_t out_stride;
  bool add;  // to what is there
};

// out[r][v] = sum over k of a[r][k] * panel[k][v]: one chain of multiply-adds per element, in the order of k,
// so a row's result does not depend on the tile it falls into.
template <class T, int Rows, int Vectors>
void run_tile(const Tile<T>& tile) {
  using S = Simd<T>;
  typename S::Reg sums[Rows][Vectors] = {};
  const T* a = tile.a;
  const T* panel = tile.panel;
  const std::int64_t a_stride = tile.a_stride;
  for (std::int64_t k = 0; k < tile.depth; ++k, ++a, panel += Vectors * S::lanes) {
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
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
    T* out = tile.out + r * tile.out_stride;
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      S::store(out + v * S::lanes, tile.add ? S::load(out + v * S::lanes) + sums[r][v] : sums[r][v]);
    }
  }
}

template <class T, int Vectors, int Rows = kTileRows[Vectors]>
SULSUL_INLINE void run_tile_of(int rows, const Tile<T>& tile) {
  if constexpr (Rows == 1) {
    run_tile<T, 1, Vectors>(tile);
  } else {
    rows == Rows ? run_tile<T, Rows, Vectors>(tile) : run_tile_of<T, Vectors, Rows - 1>(rows, tile);
  }
}

// Rows to take at a time for a product with `columns` columns.
template <class T>
SULSUL_INLINE std::int64_t block_rows(std::int64_t columns) {
  const std::int64_t vectors = (columns + Simd<T>::lanes - 1) / Simd<T>::lanes;
  return kTileRows[vectors < kPanelVectors ? vectors : kPanelVectors];
}

// out(rows, columns) = or += a(rows, depth) times weights packed by pack_columns(). At most
// block_rows(columns) rows. `out` has room for whole vectors.
template <class T>
void multiply_rows(std::int64_t rows, std::int64_t depth, const T* a, std::int64_t a_stride, const T* packed,
                   std::int64_t columns, bool add, T* out, std::int64_t out_stride) {
  constexpr int kLanes = Simd<T>::lanes;
  const int n = static_cast<int>(rows);
  Tile<T> tile{depth, a, a_stride, packed, out, out_stride, add};
  for (std::int64_t left = (columns + kLanes - 1) / kLanes; left > 0; left -= kPanelVectors) {
    static_assert(kPanelVectors == 4, "the widths below");
    switch (left) {
      case 1:
        run_tile_of<T, 1>(n, tile);
        break;
      case 2:
        run_tile_of<T, 2>(n, tile);
        break;
      case 3:
        run_tile_of<T, 3>(n, tile);
        break;
      default:
        run_tile_of<T, 4>(n, tile);
    }
    tile.panel += depth * kPanelVectors * kLanes;
    tile.out += kPanelVectors * kLanes;
  }
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
