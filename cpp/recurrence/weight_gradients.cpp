#include "recurrence/weight_gradients.h"

#include <algorithm>

namespace sulsul {
namespace {

// Products with at most so many rows and columns are added without packing: the general product first copies
// its factors, which takes longer than the arithmetic (8 units, 6400 rows: 26 µs against 8).
constexpr std::int64_t kNarrow = 32;

// Fewer columns than a tile would be multiplied by other kernels than in one piece: they join the piece
// before.
constexpr std::int64_t kFewest = 16;

std::int64_t pieces(std::int64_t columns, std::int64_t width) {
  const std::int64_t whole = columns / width, rest = columns % width;
  return whole + (rest >= kFewest || (whole == 0 && rest > 0) ? 1 : 0);
}

// The GRU's third gate stands alone: see ColumnRange.
std::int64_t first_columns(const Cell& cell) {
  return cell.kind == CellKind::gru ? 2 * cell.units : cell.columns();
}

// The products of one range, those with the same right factor together.
template <class T>
class Products {
 public:
  Products(std::int64_t rows, std::int64_t columns, Rows<const T> d_gates, const StepKernels<T>& kernels)
      : rows_(rows), columns_(columns), d_gates_(d_gates), kernels_(kernels) {}

  void add(std::int64_t m, Rows<const T> left, T* sum, std::int64_t sum_stride, bool narrow) {
    if (narrow) {
      kernels_.add_products(rows_, m, columns_, left.data, left.stride, d_gates_.data, d_gates_.stride, sum,
                            sum_stride);
    } else {
      factors_[n_factors_++] = {m, left.data, left.stride, sum, sum_stride};
    }
  }

  void finish(Precision precision) {
    if (n_factors_ == 0) return;
    matmul_tn_serial(factors_, n_factors_, columns_, rows_, d_gates_.data, d_gates_.stride, true, precision);
  }

 private:
  std::int64_t rows_, columns_;
  Rows<const T> d_gates_;
  const StepKernels<T>& kernels_;
  LeftFactor<T> factors_[2];
  int n_factors_ = 0;
};

}  // namespace

std::int64_t count_column_ranges(const Cell& cell, std::int64_t width) {
  return pieces(first_columns(cell), width) + pieces(cell.columns() - first_columns(cell), width);
}

ColumnRange column_range(const Cell& cell, std::int64_t width, std::int64_t index) {
  const std::int64_t split = first_columns(cell), before = pieces(split, width);
  const bool first = index < before;
  const std::int64_t begin = first ? index * width : split + (index - before) * width;
  const std::int64_t end = first ? split : cell.columns();
  return {begin, end - begin < width + kFewest ? end : begin + width};
}

template <class T>
void clear_gradients(const Cell& cell, std::int64_t kernel_rows, const GradientSums<T>& sums) {
  std::fill(sums.kernel, sums.kernel + kernel_rows * cell.columns(), T(0));
  std::fill(sums.recurrent_kernel, sums.recurrent_kernel + cell.units * cell.columns(), T(0));
  std::fill(sums.bias, sums.bias + cell.bias_size(), T(0));
}

template <class T>
void add_gradients(const Cell& cell, std::int64_t input_size, const GradientChunk<T>& chunk,
                   ColumnRange range, Side side, Precision precision, const StepKernels<T>& kernels,
                   const GradientSums<T>& sums) {
  const std::int64_t columns = cell.columns(), width = range.end - range.begin, units = cell.units;
  const Rows<const T> d_gates{chunk.d_gates.data + range.begin, chunk.d_gates.stride};
  const bool narrow = columns <= kNarrow;
  Products<T> products(chunk.rows, width, d_gates, kernels);
  if (side != Side::recurrent) {
    if (chunk.token_ids != nullptr) {
      kernels.scatter_add(chunk.rows, width, chunk.token_ids, d_gates.data, d_gates.stride,
                          sums.kernel + range.begin, columns);
    } else {
      products.add(input_size, chunk.inputs, sums.kernel + range.begin, columns,
                   narrow && input_size <= kNarrow);
    }
  }
  if (side != Side::input) {
    // A GRU's candidate: the recurrent product's gradient is n * r (behind the gates), or its left factor is
    // r * h (behind the saved gates).
    const bool candidate = cell.kind == CellKind::gru && range.begin >= 2 * units;
    Rows<const T> left = chunk.h_previous, right = d_gates;
    if (candidate && cell.reset_after) right.data += units;
    if (candidate && !cell.reset_after) left = {chunk.saved.data + 3 * units, chunk.saved.stride};
    T* sum = sums.recurrent_kernel + range.begin;
    if (right.data == d_gates.data) {
      products.add(units, left, sum, columns, narrow);
    } else {
      Products<T> own(chunk.rows, width, right, kernels);
      own.add(units, left, sum, columns, narrow);
      own.finish(precision);
    }
    kernels.add_rows(chunk.rows, width, d_gates.data, d_gates.stride, sums.bias + range.begin);
    if (cell.bias_size() > columns) {
      kernels.add_rows(chunk.rows, width, right.data, right.stride, sums.bias + columns + range.begin);
    }
  }
  products.finish(precision);
}

#define SULSUL_INSTANTIATE(T)                                                                           \
  template void clear_gradients<T>(const Cell&, std::int64_t, const GradientSums<T>&);                  \
  template void add_gradients<T>(const Cell&, std::int64_t, const GradientChunk<T>&, ColumnRange, Side, \
                                 Precision, const StepKernels<T>&, const GradientSums<T>&);
SULSUL_INSTANTIATE(float)
SULSUL_INSTANTIATE(double)

}  // namespace sulsul
