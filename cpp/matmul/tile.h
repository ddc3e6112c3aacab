// The innermost loop: a tile of C that stays in registers while it runs through the depth.
#pragma once

#include <cstdint>

#include "simd/vector.h"

namespace sulsul::SULSUL_ISA_NAMESPACE {
namespace {

// Rows of a register tile v vectors wide: tile, one row of B and one element of A fit in the registers (32
// with AVX-512, else 16).
#if defined(SULSUL_ISA_AVX512)
constexpr int kMaxVectors = 4;
constexpr int kTileRows[kMaxVectors + 1] = {0, 12, 12, 8, 6};
#elif defined(SULSUL_ISA_AVX2)
constexpr int kMaxVectors = 2;
constexpr int kTileRows[kMaxVectors + 1] = {0, 8, 6};
#else
constexpr int kMaxVectors = 2;
constexpr int kTileRows[kMaxVectors + 1] = {0, 6, 4};
#endif

// What a tile reads and writes. Element (i, p) of A is a[i * a_row + p * a_step], so the same loop serves A
// and A^T. Row p of B is at b + p * b_step. base: where the sum starts (C itself, a bias with stride 0, or
// nullptr).
template <class T>
struct TileJob {
  std::int64_t depth;
  const T* a;
  std::int64_t a_row, a_step;
  const T* b;
  std::int64_t b_step;
  const T* base;
  std::int64_t base_stride;
  T* c;
  std::int64_t c_stride;
  typename Simd<T>::Mask last;  // lanes of the last vector that exist in C
};

// Each element is one chain of multiply-adds over the depth, from zero, and one addition to its base: the
// same operations whatever the shape of the tile it falls into.
template <class T, int Rows, int Vectors>
void run_tile(const TileJob<T>& job) {
  using S = Simd<T>;
  using Vector = typename S::Reg;
  Vector sum[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) sum[i][v] = S::set(0);
  }
  const T* a = job.a;
  const T* b = job.b;
  const std::int64_t a_row = job.a_row;
  for (std::int64_t p = 0; p < job.depth; ++p, a += job.a_step, b += job.b_step) {
    Vector row[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) row[v] = S::load(b + v * S::lanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vector element = S::set(a[i * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sum[i][v] = S::fma(element, row[v], sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    const T* base = job.base + i * job.base_stride;
    T* c = job.c + i * job.c_stride;
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      const std::int64_t column = v * S::lanes;
      if (v < Vectors - 1) {
        S::store(c + column, job.base ? S::load(base + column) + sum[i][v] : sum[i][v]);
      } else {
        const Vector start = job.base ? S::load(base + column, job.last) : S::set(0);
        S::store(c + column, start + sum[i][v], job.last);
      }
    }
  }
}

template <class T>
using TileFunction = void (*)(const TileJob<T>&);

// The tile function for `rows` (1 … kTileRows[Vectors]).
template <class T, int Vectors, int Rows = kTileRows[Vectors]>
SULSUL_INLINE TileFunction<T> tile_with_rows(int rows) {
  if constexpr (Rows == 1) {
    return &run_tile<T, 1, Vectors>;
  } else {
    return rows == Rows ? &run_tile<T, Rows, Vectors> : tile_with_rows<T, Vectors, Rows - 1>(rows);
  }
}

template <class T, int Vectors = kMaxVectors>
SULSUL_INLINE TileFunction<T> tile_function(int rows, int vectors) {
  if constexpr (Vectors == 1) {
    return tile_with_rows<T, 1>(rows);
  } else {
    return vectors == Vectors ? tile_with_rows<T, Vectors>(rows)
                              : tile_function<T, Vectors - 1>(rows, vectors);
  }
}

// All rows of one panel of B (at most kMaxVectors vectors wide).
template <class T>
void run_panel(std::int64_t rows, std::int64_t columns, TileJob<T> job) {
  constexpr int lanes = Simd<T>::lanes;
  const int vectors = static_cast<int>((columns + lanes - 1) / lanes);
  job.last = Simd<T>::first(columns - (vectors - 1) * lanes);
  const int height = kTileRows[vectors];
  const TileFunction<T> full = tile_function<T>(height, vectors);
  std::int64_t i = 0;
  for (; i + height <= rows; i += height) {
    full(job);
    job.a += height * job.a_row;
    job.base += height * job.base_stride;
    job.c += height * job.c_stride;
  }
  if (i < rows) tile_function<T>(static_cast<int>(rows - i), vectors)(job);
}

}  // namespace
}  // namespace sulsul::SULSUL_ISA_NAMESPACE
