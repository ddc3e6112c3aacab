// Rows of a few elements to vectors with a row in each lane, and back.
#pragma once

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// columns[u] holds element u of rows[0 … lanes).
template <class T, int Width>
struct RowColumns {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  static SULSUL_INLINE void load(const T* const* rows, Reg (&columns)[Width]) {
    alignas(64) T buffer[Width][S::lanes];
    for (int lane = 0; lane < S::lanes; ++lane) {
      for (int u = 0; u < Width; ++u) buffer[u][lane] = rows[lane][u];
    }
    for (int u = 0; u < Width; ++u) columns[u] = S::load(buffer[u]);
  }

  // Only the first n rows.
  template <bool Add>
  static SULSUL_INLINE void store(const Reg (&columns)[Width], T* const* rows, std::int64_t n) {
    alignas(64) T buffer[Width][S::lanes];
    for (int u = 0; u < Width; ++u) S::store(buffer[u], columns[u]);
    for (std::int64_t lane = 0; lane < n; ++lane) {
      for (int u = 0; u < Width; ++u) rows[lane][u] = Add ? rows[lane][u] + buffer[u][lane] : buffer[u][lane];
    }
  }
};

#if defined(SULSUL_ISA_AVX512)

// Two 8 by 8 transpositions side by side: 24 shuffles.
template <>
struct RowColumns<float, 8> {
  using Reg = __m512;

  static SULSUL_INLINE Reg low(Reg a, Reg b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  static SULSUL_INLINE Reg high(Reg a, Reg b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
  }
  // Within each quarter of four vectors: rows become columns.
  static SULSUL_INLINE void transpose_quarters(Reg* v) {
    const Reg a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
    const Reg c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
    v[0] = low(a, c);
    v[1] = high(a, c);
    v[2] = low(b, d);
    v[3] = high(b, d);
  }

  static SULSUL_INLINE void load(const float* const* rows, Reg (&columns)[8]) {
    Reg v[8];  // rows i and i + 4 in one vector, then rows i + 8 and i + 12
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const int row = i < 4 ? i : i + 4;
      v[i] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(rows[row])),
                                _mm256_loadu_ps(rows[row + 4]), 1);
    }
    transpose_quarters(v);
    transpose_quarters(v + 4);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      columns[i] = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88);
      columns[i + 4] = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
    }
  }

  template <bool Add>
  static SULSUL_INLINE void put(float* row, __m256 value) {
    _mm256_storeu_ps(row, Add ? _mm256_add_ps(_mm256_loadu_ps(row), value) : value);
  }

  template <bool Add>
  static SULSUL_INLINE void store(const Reg (&columns)[8], float* const* rows, std::int64_t n) {
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    Reg v[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512d a = _mm512_castps_pd(columns[i]), b = _mm512_castps_pd(columns[i + 4]);
      v[i] = _mm512_castpd_ps(_mm512_permutex2var_pd(a, first, b));
      v[i + 4] = _mm512_castpd_ps(_mm512_permutex2var_pd(a, second, b));
    }
    transpose_quarters(v);
    transpose_quarters(v + 4);
    if (n == 16) {
#pragma GCC unroll 16
      for (int row = 0; row < 16; ++row) put<Add>(rows[row], row_of(v, row));
    } else {
#pragma GCC unroll 16
      for (int row = 0; row < 16; ++row) {
        if (row < n) put<Add>(rows[row], row_of(v, row));
      }
    }
  }

  static SULSUL_INLINE __m256 row_of(const Reg* v, int row) {
    const Reg& pair = v[row < 8 ? row % 4 : row % 4 + 4];
    return row % 8 < 4 ? _mm512_castps512_ps256(pair) : _mm512_extractf32x8_ps(pair, 1);
  }
};

#endif

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
