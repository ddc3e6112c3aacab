// Logistic function and tanh on several vectors at once.
//
// Both come from one power of two: 2^t = 2^n 2^f with n = round(t), f in [-1/2, 1/2] and a polynomial for
// 2^f. Absolute error, measured over all of [-20, 20] and tested: logistic 1.5e-7 and tanh 3e-7 in float,
// 3e-16 and 5e-16 in double. NaN stays NaN; infinities give the limits.
//
// Every operation is done for all vectors before the next one: one vector after the other, the chains of
// dependent operations fill the processor's scheduler (an LSTM's gates and state: 33 ns per vector of 16
// units, 24 ns with two vectors side by side).
#pragma once

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

#define SULSUL_EACH _Pragma("GCC unroll 16") for (int j = 0; j < N; ++j)

// 1 + e^(scale[j] x[j]) for float. Polynomial: minimax of degree 5 for the relative error (7.5e-8), by Remez
// exchange.
template <int N>
SULSUL_INLINE void one_plus_exponential(Simd<float>::Reg (&x)[N], const float (&scale)[N]) {
  using S = Simd<float>;
  using Reg = S::Reg;
  constexpr float kLog2E = 1.44269504f;
  // Adding 1.5 * 2^23 rounds to an integer, left in the low bits; 127 more makes it a float's exponent.
  const Reg magic = S::set(12582912.0f + 127.0f);
  Reg shifted[N], f[N], p[N];
  SULSUL_EACH x[j] = S::min(S::set(87.0f / (scale[j] < 0 ? -scale[j] : scale[j])), x[j]);
  SULSUL_EACH x[j] = S::max(S::set(-87.0f / (scale[j] < 0 ? -scale[j] : scale[j])), x[j]);
  SULSUL_EACH shifted[j] = S::fma(x[j], S::set(scale[j] * kLog2E), magic);
  SULSUL_EACH f[j] = shifted[j] - magic;
  SULSUL_EACH f[j] = S::fma(x[j], S::set(scale[j] * kLog2E), -f[j]);
  SULSUL_EACH p[j] = S::fma(S::set(1.32764722e-3f), f[j], S::set(9.67554133e-3f));
  SULSUL_EACH p[j] = S::fma(p[j], f[j], S::set(5.55071327e-2f));
  SULSUL_EACH p[j] = S::fma(p[j], f[j], S::set(2.40221197e-1f));
  SULSUL_EACH p[j] = S::fma(p[j], f[j], S::set(6.93146967e-1f));
  SULSUL_EACH p[j] = S::fma(p[j], f[j], S::set(1.00000007f));
  SULSUL_EACH x[j] = S::fma(p[j], (Reg)((S::IntReg)shifted[j] << 23), S::set(1.0f));
}

// The same for double. Taylor's series to degree 13 on |scale x - n ln 2| <= 0.35: truncated at 4e-18.
template <int N>
SULSUL_INLINE void one_plus_exponential(Simd<double>::Reg (&x)[N], const double (&scale)[N]) {
  using S = Simd<double>;
  using Reg = S::Reg;
  constexpr double kCoefficients[] = {1.0 / 479001600.0,
                                      1.0 / 39916800.0,
                                      1.0 / 3628800.0,
                                      1.0 / 362880.0,
                                      1.0 / 40320.0,
                                      1.0 / 5040.0,
                                      1.0 / 720.0,
                                      1.0 / 120.0,
                                      1.0 / 24.0,
                                      1.0 / 6.0,
                                      0.5,
                                      1.0,
                                      1.0};
  const Reg magic = S::set(6755399441055744.0 + 1023.0);
  Reg shifted[N], r[N], p[N];
  SULSUL_EACH x[j] = S::max(S::set(-700.0), S::min(S::set(700.0), x[j] * S::set(scale[j])));
  SULSUL_EACH shifted[j] = S::fma(x[j], S::set(1.4426950408889634), magic);
  // ln 2 in two parts, the first with trailing zeros, so that n times it is exact.
  SULSUL_EACH r[j] = S::fma(shifted[j] - magic, S::set(-0.693147180369123816490), x[j]);
  SULSUL_EACH r[j] = S::fma(shifted[j] - magic, S::set(-1.90821492927058770002e-10), r[j]);
  SULSUL_EACH p[j] = S::set(1.0 / 6227020800.0);
#pragma GCC unroll 16
  for (double coefficient : kCoefficients) {
    SULSUL_EACH p[j] = S::fma(p[j], r[j], S::set(coefficient));
  }
  SULSUL_EACH x[j] = S::fma(p[j], (Reg)((S::IntReg)shifted[j] << 52), S::set(1.0));
}

// x = 1 / (1 + e^-x)
template <class S, int N>
SULSUL_INLINE void logistic(typename S::Reg (&x)[N]) {
  typename S::T scale[N];
  SULSUL_EACH scale[j] = -1;
  one_plus_exponential(x, scale);
  SULSUL_EACH x[j] = S::reciprocal(x[j]);
}

// x = 1 - 2 / (1 + e^2x)
template <class S, int N>
SULSUL_INLINE void hyperbolic_tangent(typename S::Reg (&x)[N]) {
  typename S::T scale[N];
  SULSUL_EACH scale[j] = 2;
  one_plus_exponential(x, scale);
  SULSUL_EACH x[j] = S::reciprocal(x[j]);
  SULSUL_EACH x[j] = S::fma(S::set(-2), x[j], S::set(1));
}

// One vector.
template <class S>
SULSUL_INLINE typename S::Reg logistic(typename S::Reg x) {
  typename S::Reg one[1] = {x};
  logistic<S>(one);
  return one[0];
}

template <class S>
SULSUL_INLINE typename S::Reg hyperbolic_tangent(typename S::Reg x) {
  typename S::Reg one[1] = {x};
  hyperbolic_tangent<S>(one);
  return one[0];
}

// The state's activation.
template <class S, bool Relu, int N>
SULSUL_INLINE void activate(typename S::Reg (&x)[N]) {
  if constexpr (Relu) {
    SULSUL_EACH x[j] = S::max(S::set(0), x[j]);
  } else {
    hyperbolic_tangent<S>(x);
  }
}

// logistic(x) and activate(y), side by side.
template <class S, bool Relu, int M, int N>
SULSUL_INLINE void logistic_and_activate(typename S::Reg (&x)[M], typename S::Reg (&y)[N]) {
  if constexpr (Relu) {
    logistic<S>(x);
    activate<S, true>(y);
  } else {
    typename S::Reg all[M + N];
    typename S::T scale[M + N];
#pragma GCC unroll 16
    for (int j = 0; j < M + N; ++j) all[j] = j < M ? x[j < M ? j : 0] : y[j < M ? 0 : j - M];
#pragma GCC unroll 16
    for (int j = 0; j < M + N; ++j) scale[j] = j < M ? -1 : 2;
    one_plus_exponential(all, scale);
#pragma GCC unroll 16
    for (int j = 0; j < M + N; ++j) all[j] = S::reciprocal(all[j]);
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j) x[j] = all[j];
    SULSUL_EACH y[j] = S::fma(S::set(-2), all[M + j], S::set(1));
  }
}

// The state's activation of values that already have a factor: kActivationScale<S, Relu>.
template <class S, bool Relu>
constexpr typename S::T kActivationScale = 1;

template <class S, bool Relu>
struct ScaledActivation {
  template <int N>
  static SULSUL_INLINE void apply(typename S::Reg (&x)[N]) {
    activate<S, Relu>(x);
  }
};

#if defined(SULSUL_ISA_AVX512)

// y = x 2 / ln 2: tanh(x) = 1 + 1 / d with d = -(1 + 2^y) / 2. The processor has operations for the parts of
// 2^y, y - floor(y) and p 2^floor(y), which need no bound below. Polynomial: minimax of degree 5 for the
// relative error (7.5e-8), by Remez exchange. Two neighbours share a division, 1/a = b / (a b), which takes
// four operations' time for each instead of five; their results then depend on each other's, so they must
// belong together. 13 operations instead of the 19 of hyperbolic_tangent().
template <>
constexpr float kActivationScale<Simd<float>, false> = 2.88539008f;

template <>
struct ScaledActivation<Simd<float>, false> {
  using S = Simd<float>;
  using Reg = S::Reg;

  template <int N>
  static SULSUL_INLINE void apply(Reg (&y)[N]) {
    static_assert(N % 2 == 0, "pairs");
    constexpr int kToFloor = 0x09;
    Reg f[N], d[N], product[N / 2], inverse[N / 2];
    SULSUL_EACH y[j] = S::min(S::set(60), y[j]);  // products of two are finite
    SULSUL_EACH f[j] = _mm512_reduce_ps(y[j], kToFloor);
    SULSUL_EACH d[j] = S::fma(S::set(-9.38788338e-4f), f[j], S::set(-4.49467005e-3f));
    SULSUL_EACH d[j] = S::fma(d[j], f[j], S::set(-2.7913159e-2f));
    SULSUL_EACH d[j] = S::fma(d[j], f[j], S::set(-1.20076809e-1f));
    SULSUL_EACH d[j] = S::fma(d[j], f[j], S::set(-3.46576537e-1f));
    SULSUL_EACH d[j] = S::fma(d[j], f[j], S::set(-4.99999963e-1f));
    SULSUL_EACH d[j] = _mm512_scalef_ps(d[j], y[j]) - S::set(0.5f);
#pragma GCC unroll 16
    for (int j = 0; j < N / 2; ++j) product[j] = d[2 * j] * d[2 * j + 1];
#pragma GCC unroll 16
    for (int j = 0; j < N / 2; ++j) inverse[j] = _mm512_rcp14_ps(product[j]);
#pragma GCC unroll 16
    for (int j = 0; j < N / 2; ++j) product[j] = _mm512_fnmadd_ps(product[j], inverse[j], S::set(2));
#pragma GCC unroll 16
    for (int j = 0; j < N / 2; ++j) inverse[j] *= product[j];
    SULSUL_EACH y[j] = S::fma(inverse[j / 2], d[j ^ 1], S::set(1));
  }
};

#endif

// A gradient times the slope of the state's activation, in terms of its result.
template <class S, bool Relu>
SULSUL_INLINE typename S::Reg times_slope(typename S::Reg gradient, typename S::Reg y) {
  if constexpr (Relu) return S::positive_or_zero(y, gradient);
  return gradient * S::fma(-y, y, S::set(1));
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
