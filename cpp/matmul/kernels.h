// What each instruction set provides to matmul.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "matmul/left_factor.h"

namespace sulsul {

template <class T>
struct MatmulKernels {
  // Bytes of a packed B(k, n).
  std::size_t (*packed_size)(std::int64_t k, std::int64_t n);

  // B(k, n), or its transpose (n, k), to the layout `multiply` reads.
  void (*pack)(std::int64_t k, std::int64_t n, const T* b, std::int64_t b_stride, bool transposed,
               void* packed);

  // C(m, n) = A(m, k) B + bias (nullptr: none), or C += A B, on this thread.
  void (*multiply)(std::int64_t m, std::int64_t k, std::int64_t n, const T* a, std::int64_t a_stride,
                   const void* packed, const T* bias, bool accumulate, T* c, std::int64_t c_stride);

  // C(m, n) = or += A(k, m)^T B(k, n) for each left factor, on this thread.
  void (*multiply_tn)(const LeftFactor<T>* factors, int n_factors, std::int64_t n, std::int64_t k, const T* b,
                      std::int64_t b_stride, bool accumulate);
};

// kMatmulRowBlock rows at a time keep their part of A, B and C in the second-level cache (2 MB) for the usual
// widths; a multiple of every register tile's rows.
constexpr std::int64_t kMatmulRowBlock = 96;

namespace scalar {
extern const MatmulKernels<float> kFloatKernels;
extern const MatmulKernels<double> kDoubleKernels;
}  // namespace scalar

#if defined(__x86_64__)
namespace avx2 {
extern const MatmulKernels<float> kFloatKernels;
extern const MatmulKernels<double> kDoubleKernels;
}  // namespace avx2

namespace avx512 {
extern const MatmulKernels<float> kFloatKernels;
extern const MatmulKernels<double> kDoubleKernels;
}  // namespace avx512

namespace amx {
extern const MatmulKernels<float> kSplitKernels;  // three products of bfloat16 halves
extern const MatmulKernels<float> kBf16Kernels;   // one product
}  // namespace amx
#endif

}  // namespace sulsul
