#include "recurrence/packing.h"

#include <algorithm>

namespace sulsul {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t lanes) { return (n + lanes - 1) / lanes * lanes; }

// A matrix (depth, columns) of any strides.
template <class T>
struct View {
  const T* data;
  std::int64_t depth, columns;
  std::int64_t row_stride, column_stride;
};

template <class T>
T* pack_columns(View<T> b, std::int64_t lanes, T* out) {
  const std::int64_t panel = kPanelVectors * lanes;
  for (std::int64_t first = 0; first < b.columns; first += panel) {
    const std::int64_t columns = std::min(panel, b.columns - first), width = round_up(columns, lanes);
    for (std::int64_t k = 0; k < b.depth; ++k, out += width) {
      const T* source = b.data + k * b.row_stride + first * b.column_stride;
      for (std::int64_t i = 0; i < columns; ++i) out[i] = source[i * b.column_stride];
      std::fill(out + columns, out + width, T(0));
    }
  }
  return out;
}

// The candidate of a GRU stands alone in one of its two products.
template <class T>
void pack_forward(std::int64_t lanes, const T* u, StepWeights<T>* weights, T** out) {
  const Cell& cell = weights->cell;
  const std::int64_t columns = cell.columns(), units = cell.units;
  const bool alone = cell.kind == CellKind::gru && !cell.reset_after;
  weights->forward = *out;
  *out = pack_columns({u, units, alone ? 2 * units : columns, columns, 1}, lanes, *out);
  weights->forward_candidate = *out;
  if (alone) *out = pack_columns({u + 2 * units, units, units, columns, 1}, lanes, *out);
}

template <class T>
void pack_backward(std::int64_t lanes, const T* u, StepWeights<T>* weights, T** out) {
  const Cell& cell = weights->cell;
  const std::int64_t columns = cell.columns(), units = cell.units;
  const bool alone = cell.kind == CellKind::gru;
  weights->backward = *out;
  *out = pack_columns({u, alone ? 2 * units : columns, units, 1, columns}, lanes, *out);
  weights->backward_candidate = *out;
  if (alone) *out = pack_columns({u + 2 * units, units, units, 1, columns}, lanes, *out);
}

// Where both products of a GRU are added before anything else happens, so are their biases.
template <class T>
void pack_bias(const Cell& cell, const T* bias, T* out) {
  const std::int64_t units = cell.units, columns = cell.columns();
  std::copy(bias, bias + columns, out);
  if (cell.bias_size() == columns) return;
  for (std::int64_t i = 0; i < 2 * units; ++i) out[i] += bias[columns + i];
  std::copy(bias + columns + 2 * units, bias + 2 * columns, out + columns);
}

}  // namespace

template <class T>
void PackedRecurrence<T>::pack(const Cell& cell, const T* recurrent_kernel, const T* bias,
                               bool with_backward) {
  const std::int64_t lanes = step_kernels<T>(cell.units).lanes, units = cell.units;
  const std::int64_t bias_size = round_up(4 * units, lanes);
  const std::int64_t forward_size = units * (round_up(cell.columns(), lanes) + 2 * lanes);
  const std::int64_t backward_size = cell.columns() * round_up(units, lanes);
  T* out = static_cast<T*>(
      buffer_.reserve(static_cast<std::size_t>(bias_size + forward_size + backward_size) * sizeof(T)));
  weights_.cell = cell;
  weights_.padded_units = round_up(units, lanes);
  weights_.padded_columns = round_up(cell.columns(), lanes);
  weights_.bias = out;
  pack_bias(cell, bias, out);
  out += bias_size;
  pack_forward(lanes, recurrent_kernel, &weights_, &out);
  if (with_backward) pack_backward(lanes, recurrent_kernel, &weights_, &out);
}

template class PackedRecurrence<float>;
template class PackedRecurrence<double>;

}  // namespace sulsul
