// Token ids of sixteen texts, from text after text to timestep after timestep.
#pragma once

#include "network/row_kernels.h"
#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

#if defined(SULSUL_ISA_AVX512)

// square[t][k] = Factor sources[k][t], where Factor is a power of 2. Stage by stage elements of 32, 64, 128
// and 256 bits of neighbours change places.
template <int Factor = 1>
SULSUL_INLINE void transpose_square(const std::int32_t* const* sources,
                                    std::int32_t (&square)[kIdSquare][kIdSquare]) {
  static_assert(kIdSquare == 16, "lanes");
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k)
    a[k] = _mm512_slli_epi32(_mm512_loadu_si512(sources[k]), __builtin_ctz(Factor));
#pragma GCC unroll 8
  for (int k = 0; k < 16; k += 2) {
    b[k] = _mm512_unpacklo_epi32(a[k], a[k + 1]);
    b[k + 1] = _mm512_unpackhi_epi32(a[k], a[k + 1]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 16; k += 4) {
    a[k] = _mm512_unpacklo_epi64(b[k], b[k + 2]);
    a[k + 1] = _mm512_unpackhi_epi64(b[k], b[k + 2]);
    a[k + 2] = _mm512_unpacklo_epi64(b[k + 1], b[k + 3]);
    a[k + 3] = _mm512_unpackhi_epi64(b[k + 1], b[k + 3]);
  }
  // a[4 i + j] now holds timesteps j, j + 4, j + 8 and j + 12 of the sources 4 i … 4 i + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low = _mm512_shuffle_i32x4(a[j], a[j + 4], 0x44);
    const __m512i high = _mm512_shuffle_i32x4(a[j], a[j + 4], 0xee);
    const __m512i low2 = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0x44);
    const __m512i high2 = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0xee);
    _mm512_store_si512(square[j], _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_store_si512(square[j + 4], _mm512_shuffle_i32x4(low, low2, 0xdd));
    _mm512_store_si512(square[j + 8], _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_store_si512(square[j + 12], _mm512_shuffle_i32x4(high, high2, 0xdd));
  }
}

#else

template <int Factor = 1>
SULSUL_INLINE void transpose_square(const std::int32_t* const* sources,
                                    std::int32_t (&square)[kIdSquare][kIdSquare]) {
  for (std::int64_t k = 0; k < kIdSquare; ++k) {
    for (std::int64_t t = 0; t < kIdSquare; ++t) square[t][k] = Factor * sources[k][t];
  }
}

#endif

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
