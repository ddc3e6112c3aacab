// Compiled once for each instruction set; the compiler makes vectors of the plain loops.
#include "network/id_square.h"
#include "network/philox.h"
#include "network/row_kernels.h"
#include "simd/activations.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T>
void update_largest(std::int64_t n, const T* x, T* largest, T* count) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = x[i], before = largest[i];
    const bool stays = (value <= before) | (before != before);
    count[i] = stays ? count[i] + (value == before ? T(1) : T(0)) : T(1);
    largest[i] = stays ? before : value;
  }
}

template <class T>
void share_largest(std::int64_t n, const T* __restrict x, const T* __restrict largest,
                   const T* __restrict share, T* __restrict d) {
  for (std::int64_t i = 0; i < n; ++i) d[i] = x[i] == largest[i] ? share[i] : T(0);
}

template <class T>
T dot(std::int64_t n, const T* x, const T* y) {
  using S = Simd<T>;
  typename S::Reg sums = S::set(0);
  std::int64_t i = 0;
  for (; i + S::lanes <= n; i += S::lanes) sums = S::fma(S::load(x + i), S::load(y + i), sums);
  if (i < n) {
    const typename S::Mask tail = S::first(n - i);
    sums = S::fma(S::load(x + i, tail), S::load(y + i, tail), sums);
  }
  T total = 0;
  for (int lane = 0; lane < S::lanes; ++lane) total += sums[lane];
  return total;
}

template <class T>
void add_scaled(std::int64_t n, T a, const T* __restrict x, T* __restrict y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
void sum_scaled(std::int64_t n, T a, const T* __restrict x, T b, const T* __restrict y, T* __restrict out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a * x[i] + b * y[i];
}

// `Registers` vectors of a row at a time.
template <class T, int Registers>
SULSUL_INLINE void sum_columns(std::int64_t n, const std::int32_t* ids, std::int64_t size, const T* table,
                               T* out) {
  using S = Simd<T>;
  typename S::Reg sums[Registers] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = table + ids[i] * size;
    for (int r = 0; r < Registers; ++r) sums[r] += S::load(row + r * S::lanes);
  }
  for (int r = 0; r < Registers; ++r) S::store(out + r * S::lanes, sums[r]);
}

template <class T>
void sum_rows(std::int64_t n, const std::int32_t* ids, std::int64_t size, const T* table, T* out) {
  using S = Simd<T>;
  std::int64_t j = 0;
  for (; j + 4 * S::lanes <= size; j += 4 * S::lanes) sum_columns<T, 4>(n, ids, size, table + j, out + j);
  for (; j + S::lanes <= size; j += S::lanes) sum_columns<T, 1>(n, ids, size, table + j, out + j);
  if (j == size) return;
  const typename S::Mask tail = S::first(size - j);
  typename S::Reg sum = S::set(0);
  for (std::int64_t i = 0; i < n; ++i) sum += S::load(table + ids[i] * size + j, tail);
  S::store(out + j, sum, tail);
}

template <class T>
void hyperbolic_tangents(std::int64_t n, T* x) {
  using S = Simd<T>;
  std::int64_t i = 0;
  for (; i + S::lanes <= n; i += S::lanes) S::store(x + i, hyperbolic_tangent<S>(S::load(x + i)));
  if (i == n) return;
  const typename S::Mask tail = S::first(n - i);
  S::store(x + i, hyperbolic_tangent<S>(S::load(x + i, tail)), tail);
}

std::uint32_t largest_id(std::int64_t n, const std::int32_t* ids) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto id = static_cast<std::uint32_t>(ids[i]);
    largest = id > largest ? id : largest;
  }
  return largest;
}

void transpose_ids(const std::int32_t* const* sources, std::int64_t* const* rows) {
  alignas(64) std::int32_t square[kIdSquare][kIdSquare];
  transpose_square(sources, square);
  for (std::int64_t t = 0; t < kIdSquare; ++t) {
    for (std::int64_t k = 0; k < kIdSquare; ++k) rows[t][k] = square[t][k];
  }
}

// Element e of a block of 64 is word e / 16 of counter e % 16, so that words are stored as they come.
static_assert(kDropoutBlock == 4 * kPhiloxLanes);

void draw_kept(std::int64_t n, std::uint64_t first, std::uint32_t threshold, const std::uint32_t* key,
               std::uint64_t step, std::uint8_t* keep) {
  std::uint64_t counter = first / 4;
  for (std::int64_t start = 0; start < n; start += kDropoutBlock, counter += kPhiloxLanes) {
    PhiloxBlock block;
    for (int i = 0; i < kPhiloxLanes; ++i) {
      block.c[0][i] =
          static_cast<std::uint32_t>(counter) + static_cast<std::uint32_t>(i);  // a multiple of 16: no carry
      block.c[1][i] = static_cast<std::uint32_t>(counter >> 32);
      block.c[2][i] = static_cast<std::uint32_t>(step);
      block.c[3][i] = static_cast<std::uint32_t>(step >> 32);
    }
    philox(block, key[0], key[1]);
    const std::uint32_t* words = &block.c[0][0];
    const std::int64_t rest = n - start;
    if (rest >= kDropoutBlock) {
      for (int i = 0; i < kDropoutBlock; ++i) keep[start + i] = words[i] >= threshold;
    } else {
      for (std::int64_t i = 0; i < rest; ++i) keep[start + i] = words[i] >= threshold;
    }
  }
}

template <class T>
void keep_scaled(std::int64_t n, T scale, const std::uint8_t* __restrict keep, const T* __restrict x,
                 T* __restrict out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = keep[i] ? x[i] * scale : T(0);
}

template <class T>
void add_squared_deviations(std::int64_t rows, std::int64_t columns, const T* __restrict x,
                            const T* __restrict mean, T* __restrict sum) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns) {
    for (std::int64_t i = 0; i < columns; ++i) sum[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
  }
}

template <class T>
void normalise(std::int64_t rows, std::int64_t columns, const T* __restrict x, const T* __restrict mean,
               const T* __restrict scale, const T* __restrict offset, T* __restrict out) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns, out += columns) {
    for (std::int64_t i = 0; i < columns; ++i) out[i] = (x[i] - mean[i]) * scale[i] + offset[i];
  }
}

template <class T>
void add_deviation_products(std::int64_t rows, std::int64_t columns, const T* __restrict x,
                            const T* __restrict mean, const T* __restrict d, T* __restrict sum) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns, d += columns) {
    for (std::int64_t i = 0; i < columns; ++i) sum[i] += d[i] * (x[i] - mean[i]);
  }
}

template <class T>
void normalise_backward(std::int64_t rows, std::int64_t columns, const T* __restrict x,
                        const T* __restrict mean, const T* __restrict factor, const T* __restrict slope,
                        const T* __restrict offset, const T* __restrict d, T* __restrict out) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns, d += columns, out += columns) {
    for (std::int64_t i = 0; i < columns; ++i) {
      out[i] = d[i] * factor[i] - (x[i] - mean[i]) * slope[i] - offset[i];
    }
  }
}

template <class T>
constexpr RowKernels<T> table() {
  return {&update_largest<T>,
          &share_largest<T>,
          &dot<T>,
          &add_scaled<T>,
          &sum_scaled<T>,
          &sum_rows<T>,
          &hyperbolic_tangents<T>,
          &largest_id,
          &transpose_ids,
          &draw_kept,
          &keep_scaled<T>,
          &add_squared_deviations<T>,
          &normalise<T>,
          &add_deviation_products<T>,
          &normalise_backward<T>};
}

}  // namespace

extern const RowKernels<float> kFloatRowKernels;
extern const RowKernels<double> kDoubleRowKernels;
const RowKernels<float> kFloatRowKernels = table<float>();
const RowKernels<double> kDoubleRowKernels = table<double>();

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
