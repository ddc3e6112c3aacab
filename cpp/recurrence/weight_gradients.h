// The part of a backward that sums over rows: gradients of weights, biases and looked-up tables.
#pragma once

#include <algorithm>
#include <cstdint>

#include "recurrence/layer.h"
#include "recurrence/rows.h"
#include "recurrence/step.h"

namespace sulsul {

// Neighbouring columns of the gates that meet the same left factor in the recurrent kernel's gradient: all
// gates of a simple RNN or an LSTM; z and r, then h, of a GRU.
struct ColumnRange {
  std::int64_t begin = 0, end = 0;
};

// The columns in pieces of about `width`, none of which mixes the above. A column's sums do not depend on its
// piece.
std::int64_t count_column_ranges(const Cell& cell, std::int64_t width);
ColumnRange column_range(const Cell& cell, std::int64_t width, std::int64_t index);

// Which sums to take: those of the input's side, of the recurrent side, or both.
enum class Side { input, recurrent, both };

// What one direction's sums need of a chunk of rows. All in packed order, without gaps.
template <class T>
struct GradientChunk {
  std::int64_t rows = 0;
  Rows<const T> inputs;                     // unless tokens are looked up
  const std::int64_t* token_ids = nullptr;  // of the rows, where they are
  Rows<const T> h_previous;
  Rows<const T> saved;
  Rows<const T> d_gates;
};

template <class T>
struct GradientSums {
  T* kernel = nullptr;  // (I, G·H), or the looked-up table's (V, G·H)
  T* recurrent_kernel = nullptr;
  T* bias = nullptr;
};

// Sets everything to zero; `kernel_rows` is I or V.
template <class T>
void clear_gradients(const Cell& cell, std::int64_t kernel_rows, const GradientSums<T>& sums);

// Adds a chunk, row after row, to the columns of a range.
template <class T>
void add_gradients(const Cell& cell, std::int64_t input_size, const GradientChunk<T>& chunk,
                   ColumnRange range, Side side, Precision precision, const StepKernels<T>& kernels,
                   const GradientSums<T>& sums);

}  // namespace sulsul
