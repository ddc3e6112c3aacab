// Elementwise work on rows, per instruction set. Every sum is taken in a fixed order.
#pragma once

#include <cstdint>

namespace sulsul {

template <class T>
struct RowKernels {
  // largest = max(largest, x), NaN winning, and count = how many values so far are the largest.
  void (*update_largest)(std::int64_t n, const T* x, T* largest, T* count);
  // d = share where x is the largest, else 0.
  void (*share_largest)(std::int64_t n, const T* x, const T* largest, const T* share, T* d);

  T (*dot)(std::int64_t n, const T* x, const T* y);
  void (*add_scaled)(std::int64_t n, T a, const T* x, T* y);                     // y += a x
  void (*sum_scaled)(std::int64_t n, T a, const T* x, T b, const T* y, T* out);  // out = a x + b y
  // out = the sum of a table's rows `ids`, in their order; a row has `size` values.
  void (*sum_rows)(std::int64_t n, const std::int32_t* ids, std::int64_t size, const T* table, T* out);
  void (*hyperbolic_tangents)(std::int64_t n, T* x);  // in place

  // The largest of n token ids; a negative one counts as large.
  std::uint32_t (*largest_id)(std::int64_t n, const std::int32_t* ids);
  // rows[t][k] = sources[k][t] for t and k below kIdSquare.
  void (*transpose_ids)(const std::int32_t* const* sources, std::int64_t* const* rows);

  // keep[i] = whether element first + i is kept, by Philox; `first` is a multiple of kDropoutBlock.
  void (*draw_kept)(std::int64_t n, std::uint64_t first, std::uint32_t threshold, const std::uint32_t* key,
                    std::uint64_t step, std::uint8_t* keep);
  void (*keep_scaled)(std::int64_t n, T scale, const std::uint8_t* keep, const T* x, T* out);

  // Batch normalisation over `rows` of `columns` without gaps; sums are added to.
  void (*add_squared_deviations)(std::int64_t rows, std::int64_t columns, const T* x, const T* mean, T* sum);
  void (*normalise)(std::int64_t rows, std::int64_t columns, const T* x, const T* mean, const T* scale,
                    const T* offset, T* out);  // (x - mean) scale + offset
  void (*add_deviation_products)(std::int64_t rows, std::int64_t columns, const T* x, const T* mean,
                                 const T* d,
                                 T* sum);  // d (x - mean)
  void (*normalise_backward)(std::int64_t rows, std::int64_t columns, const T* x, const T* mean,
                             const T* factor, const T* slope, const T* offset, const T* d,
                             T* out);  // d factor - (x - mean) slope - offset
};

constexpr std::int64_t kDropoutBlock = 64;
constexpr std::int64_t kIdSquare = 16;

// For the active instruction set.
template <class T>
const RowKernels<T>& row_kernels();

}  // namespace sulsul
