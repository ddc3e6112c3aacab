// A recurrent layer, one or two directions, forward and backward, on a packed batch.
//
// Packed: sequences sorted by descending length, rows time-major; batch_sizes[t] sequences reach timestep t,
// and sequence b owns row offset[t] + b. Sequences of length 0 come last and own no row. Weights and gates in
// Keras's layout and order. All matrices are row-major.
//
// Results do not depend on the number of threads, and a sequence's forward results do not depend on the rest
// of the batch. What may be nullptr says so. Denormals count as zero.
//
// Memory beside the arguments: packed weights (a few times their size), per thread kChunkRows rows of inputs
// and gates, and, where more threads than directions share a backward, the gates' gradients of all rows.
#pragma once

#include <cstdint>
#include <memory>

#include "matmul/matmul.h"
#include "recurrence/cell.h"
#include "recurrence/packing.h"

namespace sulsul {

constexpr int kMaxDirections = 2;

struct PackedShape {
  const std::int64_t* batch_sizes = nullptr;  // (T), not increasing, at least 1
  std::int64_t timesteps = 0;                 // T
  std::int64_t sequences = 0;                 // B, those of length 0 included
};

// Dense rows, or tokens. A token stands for its embedding, or without one for its one-hot row: the kernel
// then has V rows and the product is a lookup. With an embedding and V <= N the product is taken once per
// word of the vocabulary and looked up (E W); the result is the same to the bit.
template <class T>
struct LayerInput {
  const T* rows = nullptr;  // (N, size)
  std::int64_t stride = 0;
  const std::int64_t* token_ids = nullptr;  // (N), each in [0, vocabulary_size)
  const T* embedding = nullptr;             // (vocabulary_size, size), or nullptr: one-hot
  std::int64_t vocabulary_size = 0;
  std::int64_t size = 0;  // I; one-hot: vocabulary_size

  bool one_hot() const { return token_ids != nullptr && embedding == nullptr; }
};

template <class T>
struct DirectionWeights {
  const T* kernel = nullptr;            // (I, G·H)
  const T* recurrent_kernel = nullptr;  // (H, G·H)
  const T* bias = nullptr;              // (G·H), or (2, 3H): Cell::bias_size()
};

template <class T>
struct ForwardDirection {
  DirectionWeights<T> weights;
  const T* h0 = nullptr;  // (B, H), or nullptr: zeros
  const T* c0 = nullptr;
  T* h_n = nullptr;  // (B, H): state after the last step, or nullptr: not wanted
  T* c_n = nullptr;
  T* saved = nullptr;  // (N, saved_columns()) for backward, or nullptr: not wanted
  T* cells = nullptr;  // (N, H), LSTM: wanted exactly if `saved` is
};

template <class T>
struct LayerForward {
  Cell cell;
  PackedShape batch;
  LayerInput<T> input;
  int directions = 1;  // the second one runs each sequence from its end
  ForwardDirection<T> direction[kMaxDirections];
  T* hidden = nullptr;  // (N, directions * H), or nullptr: only the final states are wanted
  std::int64_t hidden_stride = 0;
  Precision precision = Precision::float32;
};

template <class T>
struct BackwardDirection {
  DirectionWeights<T> weights;
  const T* h0 = nullptr;  // as given to the forward
  const T* c0 = nullptr;
  const T* saved = nullptr;
  const T* cells = nullptr;
  const T* d_h_n = nullptr;  // (B, H), or nullptr: zeros
  const T* d_c_n = nullptr;
  // Results, overwritten.
  T* d_kernel = nullptr;
  T* d_recurrent_kernel = nullptr;
  T* d_bias = nullptr;
  T* d_h0 = nullptr;  // (B, H), or nullptr: not wanted
  T* d_c0 = nullptr;
};

template <class T>
struct LayerBackward {
  Cell cell;
  PackedShape batch;
  LayerInput<T> input;
  int directions = 1;
  BackwardDirection<T> direction[kMaxDirections];
  const T* hidden = nullptr;  // as the forward left it
  std::int64_t hidden_stride = 0;
  const T* d_hidden = nullptr;  // (N, directions * H), or nullptr: zeros
  std::int64_t d_hidden_stride = 0;
  // Results, overwritten, or nullptr: not wanted.
  T* d_rows = nullptr;  // (N, I), for dense rows
  std::int64_t d_rows_stride = 0;
  T* d_embedding = nullptr;  // (V, I)
  Precision precision = Precision::float32;
};

// What a layer keeps between calls so that a repeated call allocates nothing. One call at a time.
template <class T>
struct LayerWorkspace {
  PackedRecurrence<T> recurrence[kMaxDirections];
  PackedMatrix<T> kernel[kMaxDirections];             // W
  PackedMatrix<T> kernel_transposed[kMaxDirections];  // W^T
};

template <class T>
void layer_forward(const LayerForward<T>& call, LayerWorkspace<T>& workspace);

template <class T>
void layer_backward(const LayerBackward<T>& call, LayerWorkspace<T>& workspace);

}  // namespace sulsul
