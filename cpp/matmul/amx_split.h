// float to bfloat16 tiles for AMX.
//
// A float is split into hi = bfloat16(x) and lo = bfloat16(x - hi), and a product a·b is computed as
// a_lo·b_hi + a_hi·b_hi + a_hi·b_lo. What is dropped is below 2^-16 |a·b| for each product and of random
// sign; the sums themselves are kept in float.
//
// A tile holds 16 rows of 16 pairs of bfloat16: 32 of the summed dimension, in the order 0, 16, 1, 17, … 15,
// 31 (any order will do if both factors have it; this one needs no shuffle). As left factor: 16 rows of A,
// pairs along the row. As right factor: row p holds the pair (p, p + 16) of 16 columns. So a left tile,
// transposed as a matrix of pairs, is a right tile of the transposed matrix, and the other way round.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "simd/vector.h"

namespace sulsul::amx {
namespace {

constexpr std::int64_t kTileRows = 16;     // rows of A or columns of B
constexpr std::int64_t kTileDepth = 32;    // of the summed dimension
constexpr std::int64_t kTileHalves = 512;  // bfloat16 numbers in a tile

using Half = std::uint16_t;

SULSUL_INLINE __mmask16 first_lanes(std::int64_t n) {
  return n >= 16 ? 0xffff : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1);
}

// The upper halves of two vectors of floats, alternating: those of `even` in the low half of each pair.
SULSUL_INLINE __m512i pair_up(__m512i even, __m512i odd) {
  constexpr int kSelect = 0xd8;  // mask ? odd : even
  return _mm512_ternarylogic_epi32(_mm512_srli_epi32(even, 16), odd, _mm512_set1_epi32(0xffff0000), kSelect);
}

// Rounded to the upper half: with what remains below of no interest, adding half a unit will do.
SULSUL_INLINE __m512i round_up_half(__m512 x) {
  return _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
}

// The 8 leading bits of x as a float (Dekker 1971, splitting with 2^16 + 1): three operations, and NaN stays
// NaN, which adding half a unit as an integer does not promise. Infinities and |x| above 2^112 become NaN.
// Must not be contracted to fused operations.
SULSUL_INLINE __m512 leading_bits(__m512 x) {
  const __m512 scaled = _mm512_mul_ps(x, _mm512_set1_ps(65537.0f));
  return _mm512_sub_ps(scaled, _mm512_sub_ps(scaled, x));
}

// hi (and lo) of 16 pairs. No shuffles: the processor's conversion instruction needs three operations for
// itself and five more to subtract its result, most of them on the one port for shuffles (14 cycles for 32
// numbers against 8).
template <bool Split>
SULSUL_INLINE void split(__m512 even, __m512 odd, __m512i& hi, __m512i& lo) {
  const __m512 even_hi = leading_bits(even), odd_hi = leading_bits(odd);
  hi = pair_up(_mm512_castps_si512(even_hi), _mm512_castps_si512(odd_hi));
  if (Split) {
    lo = pair_up(round_up_half(_mm512_sub_ps(even, even_hi)), round_up_half(_mm512_sub_ps(odd, odd_hi)));
  }
}

// Transposes 16 rows of 16 pairs in place.
SULSUL_INLINE void transpose(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

SULSUL_INLINE void transpose_tile(Half* tile) {
  __m512i rows[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(tile + i * 32);
  transpose(rows);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_store_si512(tile + i * 32, rows[i]);
}

// Row i of the tile from the 16 numbers at `even` and the 16 at `odd`.
template <bool Split>
SULSUL_INLINE void store_pairs(__m512 even, __m512 odd, int i, Half* hi, Half* lo) {
  __m512i high, low;
  split<Split>(even, odd, high, low);
  _mm512_store_si512(hi + i * 32, high);
  if (Split) _mm512_store_si512(lo + i * 32, low);
}

// A tile from two columns of 16 vectors: even(i) is at x + i * stride, odd(i) at x + odd_offset + i * stride.
// Vectors beyond `evens` or `odds`, and lanes outside the masks, count as zero.
struct TileSource {
  const float* x;
  std::int64_t stride, odd_offset;
  std::int64_t evens, odds;
  __mmask16 even_lanes, odd_lanes;
};

template <bool Split, bool Transposed>
SULSUL_INLINE void fill_tile(const TileSource& from, Half* hi, Half* lo) {
  const float* even = from.x;
  const float* odd = from.x + from.odd_offset;
  if (from.evens >= 16 && from.odds >= 16 && (from.even_lanes & from.odd_lanes) == 0xffff) {
#pragma GCC unroll 4
    for (int i = 0; i < 16; ++i, even += from.stride, odd += from.stride) {
      store_pairs<Split>(_mm512_loadu_ps(even), _mm512_loadu_ps(odd), i, hi, lo);
    }
  } else {
    for (int i = 0; i < 16; ++i, even += from.stride, odd += from.stride) {
      const __mmask16 even_lanes = i < from.evens ? from.even_lanes : 0;
      const __mmask16 odd_lanes = i < from.odds ? from.odd_lanes : 0;
      store_pairs<Split>(_mm512_maskz_loadu_ps(even_lanes, even), _mm512_maskz_loadu_ps(odd_lanes, odd), i,
                         hi, lo);
    }
  }
  if (Transposed) {
    transpose_tile(hi);
    if (Split) transpose_tile(lo);
  }
}

// A tile whose rows are rows of x: `rows` of them, `depth` numbers each (zeros beyond). A left tile of x, or
// with Transposed a right tile of x^T.
template <bool Split, bool Transposed>
SULSUL_INLINE void rows_to_tile(std::int64_t rows, std::int64_t depth, const float* x, std::int64_t stride,
                                Half* hi, Half* lo) {
  fill_tile<Split, Transposed>({x, stride, 16, rows, rows, first_lanes(depth), first_lanes(depth - 16)}, hi,
                               lo);
}

// A tile whose rows are pairs of rows of x: `depth` rows (at most 32 count) of `columns` numbers. A right
// tile of x, or with Transposed a left tile of x^T.
template <bool Split, bool Transposed>
SULSUL_INLINE void pairs_to_tile(std::int64_t depth, std::int64_t columns, const float* x,
                                 std::int64_t stride, Half* hi, Half* lo) {
  const __mmask16 lanes = first_lanes(columns);
  fill_tile<Split, Transposed>({x, stride, 16 * stride, depth, depth - 16, lanes, lanes}, hi, lo);
}

}  // namespace
}  // namespace sulsul::amx
