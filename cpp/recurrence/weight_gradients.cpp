#include "recurrence/weight_gradients.h"

namespace sulsul {
namespace {

std::int64_t tiles_of(std::int64_t columns) { return (columns + kTileColumns - 1) / kTileColumns; }

// The GRU's third gate stands alone: see ColumnRange.
std::int64_t first_range(const Cell& cell) {
  return cell.kind == CellKind::gru ? 2 * cell.units : cell.columns();
}

}  // namespace

std::int64_t column_tiles(const Cell& cell) {
  return tiles_of(first_range(cell)) + tiles_of(cell.columns() - first_range(cell));
}

ColumnRange column_tile(const Cell& cell, std::int64_t index) {
  const std::int64_t split = first_range(cell), before = tiles_of(split);
  const std::int64_t base = index < before ? 0 : split, end = index < before ? split : cell.columns();
  const std::int64_t begin = base + (index < before ? index : index - before) * kTileColumns;
  return {begin, std::min(end, begin + kTileColumns)};
}

template <class T>
void clear_gradients(const Cell& cell, std::int64_t kernel_rows, ColumnRange tile,
                     const GradientSums<T>& sums) {
  const std::int64_t columns = cell.columns();
  for (std::int64_t i = 0; i < kernel_rows; ++i) {
    std::fill(sums.kernel + i * columns + tile.begin, sums.kernel + i * columns + tile.end, T(0));
  }
  for (std::int64_t i = 0; i < cell.units; ++i) {
    std::fill(sums.recurrent_kernel + i * columns + tile.begin,
              sums.recurrent_kernel + i * columns + tile.end, T(0));
  }
  for (T* bias = sums.bias; bias < sums.bias + cell.bias_size(); bias += columns) {
    std::fill(bias + tile.begin, bias + tile.end, T(0));
  }
}

template <class T>
void add_gradients(const Cell& cell, std::int64_t input_size, const GradientChunk<T>& chunk, ColumnRange tile,
                   Precision precision, const StepKernels<T>& kernels, const GradientSums<T>& sums) {
  const std::int64_t columns = cell.columns(), width = tile.end - tile.begin, units = cell.units;
  const T* d_gates = chunk.d_gates.data + tile.begin;
  const std::int64_t stride = chunk.d_gates.stride;
  if (chunk.token_ids != nullptr) {
    kernels.scatter_add(chunk.rows, width, chunk.token_ids, d_gates, stride, sums.kernel + tile.begin,
                        columns);
  } else {
    matmul_tn_serial(input_size, width, chunk.rows, chunk.inputs.data, chunk.inputs.stride, d_gates, stride,
                     true, sums.kernel + tile.begin, columns, precision);
  }
  kernels.add_rows(chunk.rows, width, d_gates, stride, sums.bias + tile.begin);

  // A GRU's candidate: the recurrent product's gradient is n * r (behind the gates), or its left factor is r
  // * h (behind the saved gates).
  const bool candidate = cell.kind == CellKind::gru && tile.begin >= 2 * units;
  Rows<const T> left = chunk.h_previous;
  if (candidate && cell.reset_after) d_gates += units;
  if (candidate && !cell.reset_after) left = {chunk.saved.data + 3 * units, chunk.saved.stride};
  matmul_tn_serial(units, width, chunk.rows, left.data, left.stride, d_gates, stride, true,
                   sums.recurrent_kernel + tile.begin, columns, precision);
  if (cell.bias_size() > columns) {
    kernels.add_rows(chunk.rows, width, d_gates, stride, sums.bias + columns + tile.begin);
  }
}

#define SULSUL_INSTANTIATE(T)                                                                                \
  template void clear_gradients<T>(const Cell&, std::int64_t, ColumnRange, const GradientSums<T>&);          \
  template void add_gradients<T>(const Cell&, std::int64_t, const GradientChunk<T>&, ColumnRange, Precision, \
                                 const StepKernels<T>&, const GradientSums<T>&);
SULSUL_INSTANTIATE(float)
SULSUL_INSTANTIATE(double)

}  // namespace sulsul
