#include "matmul/matmul.h"

#include <algorithm>
#include <vector>

#include "matmul/kernels.h"
#include "runtime/isa.h"
#include "runtime/thread_pool.h"

namespace sulsul {
namespace {

// Below this many multiply-adds the product costs less than waking the threads (some 5 µs).
constexpr std::int64_t kParallelWork = std::int64_t{1} << 18;

// matmul_tn: tokens per part at least, parts and column groups together at most.
constexpr std::int64_t kPartDepth = 1024;
constexpr std::int64_t kMaxParts = 8;
// Above this many elements C is cut by columns, because every part needs a C of its own.
constexpr std::int64_t kPartElements = std::int64_t{1} << 17;

template <class T>
const MatmulKernels<T>& pick(const MatmulKernels<float>& single, const MatmulKernels<double>& twice) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return single;
  } else {
    return twice;
  }
}

// By the size of the weight matrix alone: a row of the result must not depend on how many rows there are.
// Below one tile AMX computes mostly padding (6400x16 by 16x8: 1.4 times slower than AVX-512).
template <class T>
const MatmulKernels<T>& kernels_for([[maybe_unused]] Precision precision, [[maybe_unused]] std::int64_t rows,
                                    [[maybe_unused]] std::int64_t columns) {
  switch (active_isa()) {
#if defined(__x86_64__)
    case Isa::amx:
      if (rows < 16 || columns < 16) return pick<T>(avx512::kFloatKernels, avx512::kDoubleKernels);
      return pick<T>(precision == Precision::bf16 ? amx::kBf16Kernels : amx::kSplitKernels,
                     avx512::kDoubleKernels);
    case Isa::avx512:
      return pick<T>(avx512::kFloatKernels, avx512::kDoubleKernels);
    case Isa::avx2:
      return pick<T>(avx2::kFloatKernels, avx2::kDoubleKernels);
#endif
    default:
      return pick<T>(scalar::kFloatKernels, scalar::kDoubleKernels);
  }
}

// C = or += bias (zeros without one): a product of depth 0.
template <class T>
void fill(std::int64_t m, std::int64_t n, const T* bias, bool accumulate, T* c, std::int64_t c_stride) {
  if (accumulate && bias == nullptr) return;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      c[i * c_stride + j] = (accumulate ? c[i * c_stride + j] : T{0}) + (bias ? bias[j] : T{0});
    }
  }
}

// C += part for rows [first, last).
template <class T>
void add_rows(std::int64_t first, std::int64_t last, std::int64_t n, const T* part, T* c,
              std::int64_t c_stride) {
  for (std::int64_t i = first; i < last; ++i) {
    for (std::int64_t j = 0; j < n; ++j) c[i * c_stride + j] += part[i * n + j];
  }
}

}  // namespace

template <class T>
void PackedMatrix<T>::pack(std::int64_t k, std::int64_t n, const T* b, std::int64_t b_stride, bool transposed,
                           Precision precision) {
  k_ = k;
  n_ = n;
  kernels_ = &kernels_for<T>(precision, k, n);
  kernels_->pack(k, n, b, b_stride, transposed, buffer_.reserve(kernels_->packed_size(k, n)));
}

template <class T>
void matmul_serial(std::int64_t m, const T* a, std::int64_t a_stride, const PackedMatrix<T>& b, const T* bias,
                   bool accumulate, T* c, std::int64_t c_stride) {
  if (b.k() == 0) return fill(m, b.n(), bias, accumulate, c, c_stride);
  if (m == 0 || b.n() == 0) return;
  if (accumulate && bias != nullptr) fill(m, b.n(), bias, accumulate, c, c_stride);
  b.kernels()->multiply(m, b.k(), b.n(), a, a_stride, b.data(), bias, accumulate, c, c_stride);
}

template <class T>
void matmul(std::int64_t m, const T* a, std::int64_t a_stride, const PackedMatrix<T>& b, const T* bias,
            bool accumulate, T* c, std::int64_t c_stride) {
  const bool worth_it = m * b.k() * b.n() >= kParallelWork;
  const std::int64_t rows = worth_it ? kMatmulRowBlock : std::max<std::int64_t>(m, 1);
  parallel_for(static_cast<int>((m + rows - 1) / rows), [&](int task) {
    const std::int64_t first = task * rows;
    matmul_serial(std::min(rows, m - first), a + first * a_stride, a_stride, b, bias, accumulate,
                  c + first * c_stride, c_stride);
  });
}

template <class T>
void matmul_tn_serial(const LeftFactor<T>* factors, int n_factors, std::int64_t n, std::int64_t k, const T* b,
                      std::int64_t b_stride, bool accumulate, Precision precision) {
  for (int first = 0, last; first < n_factors; first = last) {
    const LeftFactor<T>& one = factors[first];
    last = first + 1;
    if (k == 0) {
      fill<T>(one.m, n, nullptr, accumulate, one.c, one.c_stride);
    } else if (one.m > 0 && n > 0) {
      const MatmulKernels<T>* kernels = &kernels_for<T>(precision, one.m, n);
      while (last < n_factors && kernels == &kernels_for<T>(precision, factors[last].m, n)) ++last;
      kernels->multiply_tn(factors + first, last - first, n, k, b, b_stride, accumulate);
    }
  }
}

template <class T>
void matmul_tn_serial(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride,
                      const T* b, std::int64_t b_stride, bool accumulate, T* c, std::int64_t c_stride,
                      Precision precision) {
  const LeftFactor<T> factor{m, a, a_stride, c, c_stride};
  matmul_tn_serial(&factor, 1, n, k, b, b_stride, accumulate, precision);
}

template <class T>
void matmul_tn(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
               std::int64_t b_stride, bool accumulate, T* c, std::int64_t c_stride, Precision precision) {
  const std::int64_t groups = std::clamp<std::int64_t>(m * n / kPartElements, 1, kMaxParts);
  const std::int64_t parts = std::clamp<std::int64_t>(k / kPartDepth, 1, kMaxParts / groups);
  ScratchFrame scratch;
  T* sums = scratch.array<T>((parts - 1) * m * n);  // part 0 goes to C
  // Columns and tokens are cut at multiples of the blocks inside the kernels.
  const auto cut = [](std::int64_t size, std::int64_t pieces, std::int64_t i) {
    constexpr std::int64_t kBlock = 256;
    const std::int64_t blocks = (size + kBlock - 1) / kBlock;
    return std::min(size, blocks * i / pieces * kBlock);
  };
  parallel_for(static_cast<int>(parts * groups), [&](int task) {
    const std::int64_t part = task / groups, group = task % groups;
    const std::int64_t p = cut(k, parts, part), depth = cut(k, parts, part + 1) - p;
    const std::int64_t j = cut(n, groups, group), columns = cut(n, groups, group + 1) - j;
    T* sum = part == 0 ? c + j : sums + (part - 1) * m * n + j;
    matmul_tn_serial(m, columns, depth, a + p * a_stride, a_stride, b + p * b_stride + j, b_stride,
                     accumulate && part == 0, sum, part == 0 ? c_stride : n, precision);
  });
  if (parts == 1) return;
  const int slices = m * n >= (1 << 14) ? static_cast<int>(kMaxParts) : 1;
  parallel_for(slices, [&](int task) {
    for (std::int64_t part = 1; part < parts; ++part) {
      add_rows(m * task / slices, m * (task + 1) / slices, n, sums + (part - 1) * m * n, c, c_stride);
    }
  });
}

#define SULSUL_INSTANTIATE(T)                                                                               \
  template class PackedMatrix<T>;                                                                           \
  template void matmul_serial<T>(std::int64_t, const T*, std::int64_t, const PackedMatrix<T>&, const T*,    \
                                 bool, T*, std::int64_t);                                                   \
  template void matmul<T>(std::int64_t, const T*, std::int64_t, const PackedMatrix<T>&, const T*, bool, T*, \
                          std::int64_t);                                                                    \
  template void matmul_tn_serial<T>(const LeftFactor<T>*, int, std::int64_t, std::int64_t, const T*,        \
                                    std::int64_t, bool, Precision);                                         \
  template void matmul_tn_serial<T>(std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t,       \
                                    const T*, std::int64_t, bool, T*, std::int64_t, Precision);             \
  template void matmul_tn<T>(std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t, const T*,    \
                             std::int64_t, bool, T*, std::int64_t, Precision);
SULSUL_INSTANTIATE(float)
SULSUL_INSTANTIATE(double)

}  // namespace sulsul
