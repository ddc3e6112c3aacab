// Square roots of a vector, correctly rounded, and their reciprocals.
#pragma once

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

#if defined(SULSUL_ISA_AVX512)
SULSUL_INLINE __m512 square_root(__m512 x) { return _mm512_sqrt_ps(x); }
SULSUL_INLINE __m512d square_root(__m512d x) { return _mm512_sqrt_pd(x); }
#elif defined(SULSUL_ISA_AVX2)
SULSUL_INLINE __m256 square_root(__m256 x) { return _mm256_sqrt_ps(x); }
SULSUL_INLINE __m256d square_root(__m256d x) { return _mm256_sqrt_pd(x); }
#else
SULSUL_INLINE Simd<float>::Reg square_root(Simd<float>::Reg x) {
  for (int i = 0; i < Simd<float>::lanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
SULSUL_INLINE Simd<double>::Reg square_root(Simd<double>::Reg x) {
  for (int i = 0; i < Simd<double>::lanes; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
}
#endif

// 1 / sqrt(x) for x > 0. Float on AVX-512: 14 bits and a Newton step, a third of the time that a root takes.
template <class S>
SULSUL_INLINE typename S::Reg reciprocal_square_root(typename S::Reg x) {
#if defined(SULSUL_ISA_AVX512)
  if constexpr (sizeof(typename S::T) == sizeof(float)) {
    const __m512 r = _mm512_rsqrt14_ps(x);
    const __m512 error = _mm512_fnmadd_ps(x * r, r, _mm512_set1_ps(1.0f));
    return _mm512_fmadd_ps(r * _mm512_set1_ps(0.5f), error, r);
  }
#endif
  return S::reciprocal(square_root(x));
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
