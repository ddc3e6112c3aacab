// One timestep of a layer: what each instruction set provides, and what it is given.
//
// All rows of one call belong to the same timestep. Every element of a result is one chain of multiply-adds
// in a fixed order, whatever the number of rows, so a sequence's states do not depend on its neighbours.
#pragma once

#include <cstddef>
#include <cstdint>

#include "matmul/matmul.h"
#include "recurrence/cell.h"

namespace sulsul {

// Weights packed by StepKernels::pack; see packing.h.
template <class T>
struct StepWeights {
  Cell cell;
  std::int64_t padded_units = 0;    // H rounded up to whole vectors; row length of the states below
  std::int64_t padded_columns = 0;  // G·H, likewise
  // G·H elements; a GRU with reset_after has both biases of z and r added, and behind its gates the recurrent
  // bias of the candidate.
  const T* bias = nullptr;
  const void* forward = nullptr;             // U; reset before the product: of z and r alone
  const void* forward_candidate = nullptr;   // then U_h
  const void* backward = nullptr;            // U^T; a GRU: of z and r alone
  const void* backward_candidate = nullptr;  // then U_h^T
};

template <class T>
struct ForwardStep {
  std::int64_t rows = 0;
  // x W without bias: row i is at source + i * source_stride, or at source + token_ids[i * token_stride] *
  // source_stride where token_ids are given (a table with a row for each token).
  const T* source = nullptr;
  std::int64_t source_stride = 0;
  const std::int64_t* token_ids = nullptr;
  std::int64_t token_stride = 0;
  // States, overwritten; rows of padded_units at state_stride.
  T* h = nullptr;
  T* c = nullptr;
  std::int64_t state_stride = 0;
  // Outputs, or nullptr where not wanted.
  T* hidden = nullptr;
  std::int64_t hidden_stride = 0;
  T* saved = nullptr;  // saved_columns() per row
  std::int64_t saved_stride = 0;
  T* cells = nullptr;  // cell state after the step
  std::int64_t cells_stride = 0;
  bool stream = false;   // write both past the caches: they are aligned to whole vectors
  T* scratch = nullptr;  // scratch_size()
};

template <class T>
struct BackwardStep {
  std::int64_t rows = 0;
  const T* d_hidden = nullptr;  // gradient of the outputs, or nullptr: none
  std::int64_t d_hidden_stride = 0;
  const T* saved = nullptr;  // as the forward left it; simple RNN: the hidden states
  std::int64_t saved_stride = 0;
  std::int64_t next_saved = 0;  // elements from here to the same row of the timestep that comes next
  const T* cells = nullptr;
  std::int64_t cells_stride = 0;
  const T* h_previous = nullptr;  // states before the step, rows of H elements
  std::int64_t h_previous_stride = 0;
  const T* c_previous = nullptr;
  std::int64_t c_previous_stride = 0;
  // Gradient of the states: of those after the step on entry, of those before it on return.
  T* dh = nullptr;
  T* dc = nullptr;
  std::int64_t state_stride = 0;
  // Gradient of the pre-activations, G·H columns; a GRU adds H columns: that of h U_h + b'_h (reset_after).
  T* d_gates = nullptr;
  std::int64_t d_gates_stride = 0;
  T* scratch = nullptr;  // scratch_size()
};

template <class T>
struct StepKernels {
  int lanes;                // elements of a vector
  std::int64_t block_rows;  // rows that a step takes at a time, at most
  // Bytes of a packed matrix (depth, columns), and packing it, or its transpose (columns, depth).
  std::size_t (*packed_size)(std::int64_t depth, std::int64_t columns);
  void (*pack)(std::int64_t depth, std::int64_t columns, const T* b, std::int64_t b_stride, bool transposed,
               void* packed);
  void (*finish_streams)();  // makes streamed stores visible to other threads
  // By cell kind.
  void (*forward[3])(const StepWeights<T>&, const ForwardStep<T>&);
  void (*backward[3])(const StepWeights<T>&, const BackwardStep<T>&);
  // sum[column] += row[column], row after row.
  void (*add_rows)(std::int64_t rows, std::int64_t columns, const T* source, std::int64_t stride, T* sum);
  // sum(m, columns) += a^T b for a(n, m), b(n, columns), both narrow.
  void (*add_products)(std::int64_t n, std::int64_t m, std::int64_t columns, const T* a,
                       std::int64_t a_stride, const T* b, std::int64_t b_stride, T* sum,
                       std::int64_t sum_stride);
  // sum += source, a matrix.
  void (*add_matrix)(std::int64_t rows, std::int64_t columns, const T* source, std::int64_t stride, T* sum,
                     std::int64_t sum_stride);
  // table[token_ids[i]] += row i, row after row.
  void (*scatter_add)(std::int64_t rows, std::int64_t columns, const std::int64_t* token_ids, const T* source,
                      std::int64_t stride, T* table, std::int64_t table_stride);
};

// Elements of the steps' scratch memory: a block's products, and for a GRU two values more per unit.
template <class T>
std::int64_t scratch_size(const StepKernels<T>& kernels, const StepWeights<T>& weights) {
  return kernels.block_rows * (weights.padded_columns + 2 * weights.padded_units);
}

// For the active instruction set and a layer of so many units: few units take vectors of half the width, or
// no tiles.
template <class T>
const StepKernels<T>& step_kernels(std::int64_t units = INT64_MAX, Precision precision = Precision::float32);

}  // namespace sulsul
