// Logistic function and tanh on a vector.
//
// Both come from one power of two: 2^t = 2^n 2^f with n = round(t), f in [-1/2, 1/2] and a polynomial for
// 2^f. Absolute error, measured over all of [-20, 20] and tested: logistic 1.5e-7 and tanh 3e-7 in float,
// 3e-16 and 5e-16 in double. NaN stays NaN; infinities give the limits.
#pragma once

#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// e^x for float, up to 2^±126. Polynomial: minimax of degree 5 for the relative error (7.5e-8), by Remez
// exchange.
SULSUL_INLINE Simd<float>::Reg exponential(Simd<float>::Reg x) {
  using S = Simd<float>;
  const S::Reg t = S::max(S::set(-126.0f), S::min(S::set(126.0f), x * S::set(1.44269504f)));
  // Adding 1.5 * 2^23 rounds to an integer, left in the low bits; 127 more makes it a float's exponent.
  const S::Reg magic = S::set(12582912.0f + 127.0f);
  const S::Reg shifted = t + magic;
  const S::Reg f = t - (shifted - magic);
  const S::Reg power = (S::Reg)((S::IntReg)shifted << 23);
  S::Reg p = S::fma(S::set(1.32764722e-3f), f, S::set(9.67554133e-3f));
  p = S::fma(p, f, S::set(5.55071327e-2f));
  p = S::fma(p, f, S::set(2.40221197e-1f));
  p = S::fma(p, f, S::set(6.93146967e-1f));
  p = S::fma(p, f, S::set(1.00000007f));
  return p * power;
}

// e^x for double. Taylor's series to degree 13 on |x - n ln 2| <= 0.35: truncated at 4e-18.
SULSUL_INLINE Simd<double>::Reg exponential(Simd<double>::Reg x) {
  using S = Simd<double>;
  x = S::max(S::set(-700.0), S::min(S::set(700.0), x));
  const S::Reg magic = S::set(6755399441055744.0 + 1023.0);
  const S::Reg shifted = S::fma(x, S::set(1.4426950408889634), magic);
  const S::Reg n = shifted - magic;
  // ln 2 in two parts, the first with trailing zeros, so that n times it is exact.
  S::Reg r = S::fma(n, S::set(-0.693147180369123816490), x);
  r = S::fma(n, S::set(-1.90821492927058770002e-10), r);
  const S::Reg power = (S::Reg)((S::IntReg)shifted << 52);
  S::Reg p = S::fma(S::set(1.0 / 6227020800.0), r, S::set(1.0 / 479001600.0));
  p = S::fma(p, r, S::set(1.0 / 39916800.0));
  p = S::fma(p, r, S::set(1.0 / 3628800.0));
  p = S::fma(p, r, S::set(1.0 / 362880.0));
  p = S::fma(p, r, S::set(1.0 / 40320.0));
  p = S::fma(p, r, S::set(1.0 / 5040.0));
  p = S::fma(p, r, S::set(1.0 / 720.0));
  p = S::fma(p, r, S::set(1.0 / 120.0));
  p = S::fma(p, r, S::set(1.0 / 24.0));
  p = S::fma(p, r, S::set(1.0 / 6.0));
  p = S::fma(p, r, S::set(0.5));
  p = S::fma(p, r, S::set(1.0));
  p = S::fma(p, r, S::set(1.0));
  return p * power;
}

template <class S>
SULSUL_INLINE typename S::Reg logistic(typename S::Reg x) {
  return S::reciprocal(S::set(1) + exponential(-x));
}

template <class S>
SULSUL_INLINE typename S::Reg hyperbolic_tangent(typename S::Reg x) {
  return S::fma(S::set(-2), S::reciprocal(S::set(1) + exponential(x + x)), S::set(1));
}

// The state's activation, and its slope in terms of its result.
template <class S, bool Relu>
SULSUL_INLINE typename S::Reg activate(typename S::Reg x) {
  if constexpr (Relu) return S::max(S::set(0), x);
  return hyperbolic_tangent<S>(x);
}

template <class S, bool Relu>
SULSUL_INLINE typename S::Reg times_slope(typename S::Reg gradient, typename S::Reg y) {
  if constexpr (Relu) return S::positive_or_zero(y, gradient);
  return gradient * S::fma(-y, y, S::set(1));
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
