// One timestep of a layer: what each instruction set provides, and what it is given.
//
// All rows of one call belong to the same timestep. Every element of a result is one chain of multiply-adds
// in a fixed order, whatever the number of rows, so a sequence's states do not depend on its neighbours.
#pragma once

#include <cstdint>

#include "recurrence/cell.h"

namespace sulsul {

// Weights rearranged for the instruction set: see packing.h.
template <class T>
struct StepWeights {
  Cell cell;
  std::int64_t padded_units = 0;    // H rounded up to whole vectors; row length of the states below
  std::int64_t padded_columns = 0;  // G·H, likewise
  // G·H elements; a GRU with reset_after has both biases of z and r added, and behind its gates the recurrent
  // bias of the candidate.
  const T* bias = nullptr;
  const T* forward = nullptr;             // U; reset before the product: of z and r alone
  const T* forward_candidate = nullptr;   // then U_h
  const T* backward = nullptr;            // U^T; a GRU: of z and r alone
  const T* backward_candidate = nullptr;  // then U_h^T
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

// Rows a step kernel takes at a time, at most: their products, and for a GRU two values more per unit.
constexpr std::int64_t kScratchRows = 12;

template <class T>
std::int64_t scratch_size(const StepWeights<T>& weights) {
  return kScratchRows * (weights.padded_columns + 2 * weights.padded_units);
}

template <class T>
struct StepKernels {
  int lanes;                 // elements of a vector
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

// For the active instruction set. For a layer of few units: those with vectors of half the width, if they
// hold all.
template <class T>
const StepKernels<T>& step_kernels(std::int64_t units = INT64_MAX);

}  // namespace sulsul
