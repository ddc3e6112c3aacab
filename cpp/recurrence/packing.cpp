#include "recurrence/packing.h"

#include <algorithm>

namespace sulsul {
namespace {

// A matrix of any strides.
template <class T>
struct View {
  const T* data;
  std::int64_t row_stride, column_stride;
};

// One panel: vector v starts at column first[v] of `b`, and `columns` of its lanes exist.
template <class T>
T* pack_vector_rows(std::int64_t depth, View<T> b, const std::int64_t* first, const std::int64_t* columns,
                    std::int64_t vectors, std::int64_t lanes, T* out) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t v = 0; v < vectors; ++v, out += lanes) {
      const T* source = b.data + k * b.row_stride + first[v] * b.column_stride;
      for (std::int64_t i = 0; i < columns[v]; ++i) out[i] = source[i * b.column_stride];
      std::fill(out + columns[v], out + lanes, T(0));
    }
  }
  return out;
}

template <class T>
T* pack_columns(std::int64_t depth, std::int64_t units, View<T> b, std::int64_t lanes, T* out) {
  for (std::int64_t start = 0; start < units; start += kPanelVectors * lanes) {
    std::int64_t first[kPanelVectors], columns[kPanelVectors], vectors = 0;
    for (std::int64_t column = start; column < units && vectors < kPanelVectors; column += lanes, ++vectors) {
      first[vectors] = column;
      columns[vectors] = std::min(lanes, units - column);
    }
    out = pack_vector_rows(depth, b, first, columns, vectors, lanes, out);
  }
  return out;
}

template <class T>
T* pack_gates(std::int64_t gates, std::int64_t units, View<T> b, std::int64_t lanes, T* out) {
  for (std::int64_t unit = 0; unit < units; unit += lanes) {
    std::int64_t first[4], columns[4];
    for (std::int64_t g = 0; g < gates; ++g) {
      first[g] = g * units + unit;
      columns[g] = std::min(lanes, units - unit);
    }
    out = pack_vector_rows(units, b, first, columns, gates, lanes, out);
  }
  return out;
}

template <class T>
T* pack_forward(const Cell& cell, const T* u, std::int64_t lanes, T* out) {
  const View<T> b{u, cell.columns(), 1};
  if (cell.kind == CellKind::simple_rnn) return pack_columns(cell.units, cell.units, b, lanes, out);
  if (cell.kind == CellKind::lstm || cell.reset_after)
    return pack_gates(cell.gates(), cell.units, b, lanes, out);
  out = pack_gates(2, cell.units, b, lanes, out);
  return pack_columns(cell.units, cell.units, View<T>{u + 2 * cell.units, cell.columns(), 1}, lanes, out);
}

template <class T>
T* pack_backward(const Cell& cell, const T* u, std::int64_t lanes, T* out) {
  const View<T> b{u, 1, cell.columns()};
  if (cell.kind == CellKind::gru && !cell.reset_after) {
    const View<T> candidate{u + 2 * cell.units, 1, cell.columns()};
    out = pack_columns(cell.units, cell.units, candidate, lanes, out);
    return pack_columns(2 * cell.units, cell.units, b, lanes, out);
  }
  return pack_columns(cell.columns(), cell.units, b, lanes, out);
}

template <class T>
void pack_bias(const Cell& cell, const T* bias, std::int64_t padded, T* out) {
  const std::int64_t units = cell.units;
  const bool pair = cell.kind == CellKind::gru && cell.reset_after;
  for (std::int64_t g = 0; g < 4; ++g, out += padded) {
    std::fill(out, out + padded, T(0));
    if (g < cell.gates()) std::copy(bias + g * units, bias + (g + 1) * units, out);
    if (pair && g < 2) {
      for (std::int64_t i = 0; i < units; ++i) out[i] += bias[(3 + g) * units + i];
    } else if (pair && g == 3) {
      std::copy(bias + 5 * units, bias + 6 * units, out);
    }
  }
}

}  // namespace

template <class T>
void PackedRecurrence<T>::pack(const Cell& cell, const T* recurrent_kernel, const T* bias,
                               bool with_backward) {
  const std::int64_t lanes = step_kernels<T>().lanes;
  const std::int64_t padded = (cell.units + lanes - 1) / lanes * lanes;
  const std::int64_t product = cell.columns() * padded;  // elements of U, and of U^T, in panels
  T* out = static_cast<T*>(buffer_.reserve(static_cast<std::size_t>(4 * padded + 2 * product) * sizeof(T)));
  weights_.cell = cell;
  weights_.padded_units = padded;
  weights_.bias = out;
  pack_bias(cell, bias, padded, out);
  weights_.forward = out += 4 * padded;
  weights_.backward = out = pack_forward(cell, recurrent_kernel, lanes, out);
  if (with_backward) pack_backward(cell, recurrent_kernel, lanes, out);
}

template class PackedRecurrence<float>;
template class PackedRecurrence<double>;

}  // namespace sulsul
