// Matrix products from fused multiply-adds; compiled once for each instruction set.
//
// B is packed in panels as wide as a register tile, each panel in one piece for every kDepth rows of B, so
// that a panel (32 KB) stays in the first-level cache while the rows of A pass by. A is read where it lies.
#include "matmul/kernels.h"
#include "matmul/tile.h"
#include "runtime/workspace.h"

namespace sulsul::SULSUL_ISA_NAMESPACE {
namespace {

constexpr std::int64_t kDepth = 128;

template <class T>
constexpr std::int64_t kPanel = kMaxVectors * Simd<T>::lanes;

SULSUL_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// Columns of the packed panel that starts at `column`: whole vectors, so that loads need no mask.
template <class T>
SULSUL_INLINE std::int64_t panel_width(std::int64_t n, std::int64_t column) {
  constexpr std::int64_t lanes = Simd<T>::lanes;
  return smaller(kPanel<T>, (n - column + lanes - 1) / lanes * lanes);
}

template <class T>
std::size_t packed_size(std::int64_t k, std::int64_t n) {
  constexpr std::int64_t lanes = Simd<T>::lanes;
  return static_cast<std::size_t>(k * ((n + lanes - 1) / lanes * lanes)) * sizeof(T);
}

// `depth` rows of `columns` elements, side by side, filled up with zeros to `width`.
template <class T>
void copy_panel(std::int64_t depth, std::int64_t columns, std::int64_t width, const T* b,
                std::int64_t b_stride, T* packed) {
  using S = Simd<T>;
  const auto last = S::first(columns - (width - S::lanes));
  for (std::int64_t p = 0; p < depth; ++p, b += b_stride, packed += width) {
    std::int64_t j = 0;
    for (; j < width - S::lanes; j += S::lanes) S::store(packed + j, S::load(b + j));
    S::store(packed + j, S::load(b + j, last));
  }
}

// The same from the transpose. Eight columns are read side by side, so that whole cache lines are used.
template <class T>
void copy_panel_transposed(std::int64_t depth, std::int64_t columns, std::int64_t width, const T* b,
                           std::int64_t b_stride, T* packed) {
  constexpr std::int64_t kGroup = 8;
  for (std::int64_t j0 = 0; j0 < width; j0 += kGroup) {
    const std::int64_t end = smaller(j0 + kGroup, width);
    for (std::int64_t p = 0; p < depth; ++p) {
      for (std::int64_t j = j0; j < end; ++j)
        packed[p * width + j] = j < columns ? b[j * b_stride + p] : T{0};
    }
  }
}

template <class T>
void pack(std::int64_t k, std::int64_t n, const T* b, std::int64_t b_stride, bool transposed, void* packed) {
  T* panel = static_cast<T*>(packed);
  for (std::int64_t p = 0; p < k; p += kDepth) {
    const std::int64_t depth = smaller(kDepth, k - p);
    for (std::int64_t j = 0; j < n; j += kPanel<T>) {
      const std::int64_t width = panel_width<T>(n, j), columns = smaller(width, n - j);
      if (transposed) {
        copy_panel_transposed(depth, columns, width, b + j * b_stride + p, b_stride, panel);
      } else {
        copy_panel(depth, columns, width, b + p * b_stride + j, b_stride, panel);
      }
      panel += depth * width;
    }
  }
}

// Where the sums of the first block of the depth start; those of later blocks start at C.
template <class T>
struct Base {
  const T* data;
  std::int64_t stride;
};

template <class T>
SULSUL_INLINE Base<T> base_of(bool first, const T* bias, const T* c, std::int64_t c_stride, bool accumulate) {
  if (!first || accumulate) return {c, c_stride};
  return {bias, 0};
}

template <class T>
void multiply_rows(std::int64_t m, std::int64_t k, std::int64_t n, const T* a, std::int64_t a_stride,
                   const T* packed, const T* bias, bool accumulate, T* c, std::int64_t c_stride) {
  for (std::int64_t p = 0; p < k; p += kDepth) {
    const std::int64_t depth = smaller(kDepth, k - p);
    for (std::int64_t j = 0; j < n; j += kPanel<T>) {
      const std::int64_t width = panel_width<T>(n, j);
      const Base<T> base = base_of<T>(p == 0, bias, c, c_stride, accumulate);
      run_panel<T>(m, smaller(width, n - j),
                   TileJob<T>{depth,
                              a + p,
                              a_stride,
                              1,
                              packed,
                              width,
                              base.data ? base.data + j : nullptr,
                              base.stride,
                              c + j,
                              c_stride,
                              {}});
      packed += depth * width;
    }
  }
}

template <class T>
void multiply(std::int64_t m, std::int64_t k, std::int64_t n, const T* a, std::int64_t a_stride,
              const void* packed, const T* bias, bool accumulate, T* c, std::int64_t c_stride) {
  for (std::int64_t i = 0; i < m; i += kMatmulRowBlock) {
    multiply_rows(smaller(kMatmulRowBlock, m - i), k, n, a + i * a_stride, a_stride,
                  static_cast<const T*>(packed), bias, accumulate, c + i * c_stride, c_stride);
  }
}

// At least `columns` elements, and an odd number of cache lines.
template <class T>
SULSUL_INLINE std::int64_t odd_lines(std::int64_t columns) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  return ((columns + kLine - 1) / kLine | 1) * kLine;
}

// `depth` rows of A, moved to rows odd_lines() apart: with the distances of usual layer
// sizes (512 B and more) the column of A that a tile reads would fall into a few cache sets and evict itself.
template <class T>
void copy_rows(std::int64_t depth, std::int64_t m, const T* a, std::int64_t a_stride, T* copy,
               std::int64_t copy_stride) {
  using S = Simd<T>;
  for (std::int64_t p = 0; p < depth; ++p, a += a_stride, copy += copy_stride) {
    for (std::int64_t i = 0; i < m; i += S::lanes) {
      const auto mask = S::first(m - i);
      S::store(copy + i, S::load(a + i, mask), mask);
    }
  }
}

// The depth is cut into blocks whose sums are added to C one after the other. That is also more accurate than
// one chain over a hundred thousand tokens.
template <class T>
void multiply_tn(const LeftFactor<T>* factors, int n_factors, std::int64_t n, std::int64_t k, const T* b,
                 std::int64_t b_stride, bool accumulate) {
  ScratchFrame scratch;
  T* panel = scratch.array<T>(kDepth * kPanel<T>);
  for (int f = 0; f < n_factors; ++f) {
    const LeftFactor<T>& factor = factors[f];
    const std::int64_t copy_stride = odd_lines<T>(factor.m);
    ScratchFrame inner;
    T* copy = inner.array<T>(kDepth * copy_stride);
    for (std::int64_t p = 0; p < k; p += kDepth) {
      const std::int64_t depth = smaller(kDepth, k - p);
      copy_rows(depth, factor.m, factor.a + p * factor.a_stride, factor.a_stride, copy, copy_stride);
      for (std::int64_t j = 0; j < n; j += kPanel<T>) {
        const std::int64_t width = panel_width<T>(n, j), columns = smaller(width, n - j);
        copy_panel(depth, columns, width, b + p * b_stride + j, b_stride, panel);
        const Base<T> base = base_of<T>(p == 0, nullptr, factor.c, factor.c_stride, accumulate);
        run_panel<T>(factor.m, columns,
                     TileJob<T>{depth,
                                copy,
                                1,
                                copy_stride,
                                panel,
                                width,
                                base.data ? base.data + j : nullptr,
                                base.stride,
                                factor.c + j,
                                factor.c_stride,
                                {}});
      }
    }
  }
}

}  // namespace

const MatmulKernels<float> kFloatKernels{packed_size<float>, pack<float>, multiply<float>,
                                         multiply_tn<float>};
const MatmulKernels<double> kDoubleKernels{packed_size<double>, pack<double>, multiply<double>,
                                           multiply_tn<double>};

}  // namespace sulsul::SULSUL_ISA_NAMESPACE
