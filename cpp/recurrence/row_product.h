// A block of rows times packed weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

constexpr std::int64_t kPanelVectors = 4;

// Rows of a register tile that is v vectors wide: as many as keep the sums, one row of weights and one
// element in registers (32 with AVX-512, else 16).
#if defined(SULSUL_ISA_AVX512)
constexpr int kRegisterRows[kPanelVectors + 1] = {0, 12, 12, 8, 6};
#else
constexpr int kRegisterRows[kPanelVectors + 1] = {0, 8, 4, 4, 3};
#endif

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

template <class T, int Vectors, int Rows = kRegisterRows[Vectors]>
SULSUL_INLINE void run_tile_of(int rows, const Tile<T>& tile) {
  if constexpr (Rows == 1) {
    run_tile<T, 1, Vectors>(tile);
  } else {
    rows == Rows ? run_tile<T, Rows, Vectors>(tile) : run_tile_of<T, Vectors, Rows - 1>(rows, tile);
  }
}

// How a step multiplies: with the vector unit. A block of rows passes all panels of the weights.
template <class T>
struct FmaProduct {
  static constexpr std::int64_t kMostRows = 12;
  static constexpr bool kEvenBlocks = true;
  static constexpr int kLanes = Simd<T>::lanes;

  static SULSUL_INLINE std::int64_t vectors(std::int64_t columns) { return (columns + kLanes - 1) / kLanes; }

  // Rows to take at a time for a product with so many columns.
  static SULSUL_INLINE std::int64_t block_rows(std::int64_t columns) {
    return kRegisterRows[vectors(columns) < kPanelVectors ? vectors(columns) : kPanelVectors];
  }

  // out(rows, columns) = or += a(rows, depth) times weights packed by pack(). At most block_rows(columns)
  // rows. `out` has room for whole vectors.
  static void multiply(std::int64_t rows, std::int64_t depth, const T* a, std::int64_t a_stride,
                       const void* packed, std::int64_t columns, bool add, T* out, std::int64_t out_stride) {
    const int n = static_cast<int>(rows);
    Tile<T> tile{depth, a, a_stride, static_cast<const T*>(packed), out, out_stride, add};
    for (std::int64_t left = vectors(columns); left > 0; left -= kPanelVectors) {
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

  static std::size_t packed_size(std::int64_t depth, std::int64_t columns) {
    return static_cast<std::size_t>(depth * vectors(columns) * kLanes) * sizeof(T);
  }

  // b(depth, columns), or with `transposed` its transpose, to panels: [depth][vectors][lanes], up to
  // kPanelVectors neighbouring vectors of columns, zeros behind the last column.
  static void pack(std::int64_t depth, std::int64_t columns, const T* b, std::int64_t b_stride,
                   bool transposed, void* packed) {
    const std::int64_t row = transposed ? 1 : b_stride, column = transposed ? b_stride : 1;
    T* out = static_cast<T*>(packed);
    for (std::int64_t first = 0; first < columns; first += kPanelVectors * kLanes) {
      const std::int64_t left = columns - first, panel = kPanelVectors * kLanes;
      const std::int64_t real = left < panel ? left : panel, width = vectors(real) * kLanes;
      for (std::int64_t k = 0; k < depth; ++k, out += width) {
        const T* source = b + k * row + first * column;
        for (std::int64_t i = 0; i < real; ++i) out[i] = source[i * column];
        for (std::int64_t i = real; i < width; ++i) out[i] = T(0);
      }
    }
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
