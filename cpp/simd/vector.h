// One vector of float or double for the instruction set a file is compiled for.
//
// Simd<T>::Reg is the compiler's own vector type, so + - * / work on it; what needs an instruction of its own
// (fused multiply-add, masked load and store, powers of two) is a static function. Included only by sources
// that are compiled once per instruction set. Everything is in an unnamed namespace: the linker must not keep
// one copy of an inline function for all levels.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(SULSUL_ISA_AVX2) || defined(SULSUL_ISA_AVX512)
// GCC 12 takes the deliberately undefined pass-through of its own intrinsics for a mistake (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define SULSUL_INLINE inline __attribute__((always_inline))

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T>
struct Simd;

#if defined(SULSUL_ISA_AVX512)

template <>
struct Simd<float> {
  using T = float;
  using Reg = __m512;
  typedef std::int32_t IntReg __attribute__((vector_size(64)));
  using Mask = __mmask16;
  static constexpr int lanes = 16;
  static SULSUL_INLINE Reg set(float x) { return _mm512_set1_ps(x); }
  static SULSUL_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static SULSUL_INLINE void store(float* p, Reg v) { _mm512_storeu_ps(p, v); }
  static SULSUL_INLINE void stream(float* p, Reg v) { _mm512_stream_ps(p, v); }
  static SULSUL_INLINE Mask first(std::int64_t n) {
    return n >= 16 ? 0xffff : static_cast<Mask>((1u << n) - 1);
  }
  static SULSUL_INLINE Reg load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static SULSUL_INLINE void store(float* p, Reg v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static SULSUL_INLINE Reg reciprocal(Reg x) {  // 14 bits and a Newton step: a third of a division's time
    const Reg r = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(1.0f)), r);
  }
  // NaN in the second argument is kept.
  static SULSUL_INLINE Reg min(Reg bound, Reg x) { return _mm512_min_ps(bound, x); }
  static SULSUL_INLINE Reg max(Reg bound, Reg x) { return _mm512_max_ps(bound, x); }
  static SULSUL_INLINE Reg positive_or_zero(Reg test, Reg v) {  // v where test > 0, else 0
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test, _mm512_setzero_ps(), _CMP_GT_OQ), v);
  }
};

template <>
struct Simd<double> {
  using T = double;
  using Reg = __m512d;
  typedef std::int64_t IntReg __attribute__((vector_size(64)));
  using Mask = __mmask8;
  static constexpr int lanes = 8;
  static SULSUL_INLINE Reg set(double x) { return _mm512_set1_pd(x); }
  static SULSUL_INLINE Reg load(const double* p) { return _mm512_loadu_pd(p); }
  static SULSUL_INLINE void store(double* p, Reg v) { _mm512_storeu_pd(p, v); }
  static SULSUL_INLINE void stream(double* p, Reg v) { _mm512_stream_pd(p, v); }
  static SULSUL_INLINE Mask first(std::int64_t n) { return n >= 8 ? 0xff : static_cast<Mask>((1u << n) - 1); }
  static SULSUL_INLINE Reg load(const double* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  static SULSUL_INLINE void store(double* p, Reg v, Mask m) { _mm512_mask_storeu_pd(p, m, v); }
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  static SULSUL_INLINE Reg reciprocal(Reg x) { return set(1) / x; }
  static SULSUL_INLINE Reg min(Reg bound, Reg x) { return _mm512_min_pd(bound, x); }
  static SULSUL_INLINE Reg max(Reg bound, Reg x) { return _mm512_max_pd(bound, x); }
  static SULSUL_INLINE Reg positive_or_zero(Reg test, Reg v) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(test, _mm512_setzero_pd(), _CMP_GT_OQ), v);
  }
};

#elif defined(SULSUL_ISA_AVX2)

template <>
struct Simd<float> {
  using T = float;
  using Reg = __m256;
  typedef std::int32_t IntReg __attribute__((vector_size(32)));
  using Mask = __m256i;
  static constexpr int lanes = 8;
  static SULSUL_INLINE Reg set(float x) { return _mm256_set1_ps(x); }
  static SULSUL_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static SULSUL_INLINE void store(float* p, Reg v) { _mm256_storeu_ps(p, v); }
  static SULSUL_INLINE void stream(float* p, Reg v) { _mm256_stream_ps(p, v); }
  static SULSUL_INLINE Mask first(std::int64_t n) {
    const int count = n >= 8 ? 8 : static_cast<int>(n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static SULSUL_INLINE Reg load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static SULSUL_INLINE void store(float* p, Reg v, Mask m) { _mm256_maskstore_ps(p, m, v); }
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static SULSUL_INLINE Reg reciprocal(Reg x) { return set(1) / x; }
  static SULSUL_INLINE Reg min(Reg bound, Reg x) { return _mm256_min_ps(bound, x); }
  static SULSUL_INLINE Reg max(Reg bound, Reg x) { return _mm256_max_ps(bound, x); }
  static SULSUL_INLINE Reg positive_or_zero(Reg test, Reg v) {
    return _mm256_and_ps(_mm256_cmp_ps(test, _mm256_setzero_ps(), _CMP_GT_OQ), v);
  }
};

template <>
struct Simd<double> {
  using T = double;
  using Reg = __m256d;
  typedef std::int64_t IntReg __attribute__((vector_size(32)));
  using Mask = __m256i;
  static constexpr int lanes = 4;
  static SULSUL_INLINE Reg set(double x) { return _mm256_set1_pd(x); }
  static SULSUL_INLINE Reg load(const double* p) { return _mm256_loadu_pd(p); }
  static SULSUL_INLINE void store(double* p, Reg v) { _mm256_storeu_pd(p, v); }
  static SULSUL_INLINE void stream(double* p, Reg v) { _mm256_stream_pd(p, v); }
  static SULSUL_INLINE Mask first(std::int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static SULSUL_INLINE Reg load(const double* p, Mask m) { return _mm256_maskload_pd(p, m); }
  static SULSUL_INLINE void store(double* p, Reg v, Mask m) { _mm256_maskstore_pd(p, m, v); }
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  static SULSUL_INLINE Reg reciprocal(Reg x) { return set(1) / x; }
  static SULSUL_INLINE Reg min(Reg bound, Reg x) { return _mm256_min_pd(bound, x); }
  static SULSUL_INLINE Reg max(Reg bound, Reg x) { return _mm256_max_pd(bound, x); }
  static SULSUL_INLINE Reg positive_or_zero(Reg test, Reg v) {
    return _mm256_and_pd(_mm256_cmp_pd(test, _mm256_setzero_pd(), _CMP_GT_OQ), v);
  }
};

#else  // 128-bit vectors of the compiler: SSE2 on x86-64, NEON on arm64, or whatever the target has

template <class T, class Integer>
struct PortableSimd {
  typedef T Reg __attribute__((vector_size(16)));
  typedef Integer IntReg __attribute__((vector_size(16)));
  using Mask = int;
  static constexpr int lanes = 16 / sizeof(T);
  static SULSUL_INLINE Reg set(T x) { return x - Reg{}; }
  static SULSUL_INLINE Reg load(const T* p) {
    Reg v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static SULSUL_INLINE void store(T* p, Reg v) { std::memcpy(p, &v, sizeof v); }
  static SULSUL_INLINE void stream(T* p, Reg v) { store(p, v); }
  static SULSUL_INLINE Mask first(std::int64_t n) { return n >= lanes ? lanes : static_cast<int>(n); }
  static SULSUL_INLINE Reg load(const T* p, Mask n) {
    if (n == lanes) return load(p);
    Reg v{};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
  }
  static SULSUL_INLINE void store(T* p, Reg v, Mask n) {
    if (n == lanes) return store(p, v);
    for (int i = 0; i < n; ++i) p[i] = v[i];
  }
  static SULSUL_INLINE Reg reciprocal(Reg x) { return set(1) / x; }
  static SULSUL_INLINE Reg min(Reg bound, Reg x) { return bound < x ? bound : x; }
  static SULSUL_INLINE Reg max(Reg bound, Reg x) { return bound > x ? bound : x; }
  static SULSUL_INLINE Reg positive_or_zero(Reg test, Reg v) { return test > Reg{} ? v : Reg{}; }
};

template <>
struct Simd<float> : PortableSimd<float, std::int32_t> {
  using T = float;
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) {
#if defined(__aarch64__)
    return (Reg)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
  }
};

template <>
struct Simd<double> : PortableSimd<double, std::int64_t> {
  using T = double;
  static SULSUL_INLINE Reg fma(Reg a, Reg b, Reg c) {
#if defined(__aarch64__)
    return (Reg)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
  }
};

#endif

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
