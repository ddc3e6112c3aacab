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

// Cuts the columns into tiles that different threads may take. A column's sums do not depend on its tile.
constexpr std::int64_t kTileColumns = 128;

// Number of tiles, and tile `index`.
std::int64_t column_tiles(const Cell& cell);
ColumnRange column_tile(const Cell& cell, std::int64_t index);

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

// Sets the columns of a tile to zero; `kernel_rows` is I or V.
template <class T>
void clear_gradients(const Cell& cell, std::int64_t kernel_rows, ColumnRange tile,
                     const GradientSums<T>& sums);

// Adds a chunk, row after row, to the columns of a tile.
template <class T>
void add_gradients(const Cell& cell, std::int64_t input_size, const GradientChunk<T>& chunk, ColumnRange tile,
                   Precision precision, const StepKernels<T>& kernels, const GradientSums<T>& sums);

}  // namespace sulsul
