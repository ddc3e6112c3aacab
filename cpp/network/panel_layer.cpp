#include "network/panel_layer.h"

#include <algorithm>

#include "recurrence/tasks.h"

namespace sulsul {
namespace {

template <class T>
DirectionWeights<T> weights(const DirectionParameters<T>& parameters) {
  return {parameters.kernel->values, parameters.recurrent_kernel->values, parameters.bias->values};
}

template <class T>
LayerInput<T> layer_input(const Pass& pass, const SequenceInput<T>& input) {
  LayerInput<T> given;
  given.rows = input.rows;
  given.stride = given.size = input.size;
  if (input.tokens) {
    given.token_ids = pass.batch.token_ids();
    given.embedding = input.tokens->table();
    given.vocabulary_size = input.tokens->vocabulary_size;
  }
  return given;
}

// Columns [first, first + width) of a matrix with `stride` columns, to or from a matrix of their own.
template <class T>
void copy_block(std::int64_t rows, std::int64_t width, const T* from, std::int64_t from_stride, T* to,
                std::int64_t to_stride) {
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy(from + i * from_stride, from + i * from_stride + width, to + i * to_stride);
  }
}

}  // namespace

template <class T>
bool PanelLayer<T>::folds_embedding(const Pass& pass, const SequenceInput<T>& input) const {
  return sulsul::folds_embedding(layer_input(pass, input), pass.batch.rows());
}

template <class T>
SequenceInput<T> PanelLayer<T>::forward(const Pass& pass, const SequenceInput<T>& input) {
  const std::int64_t rows = pass.batch.rows(), sequences = pass.batch.sequences(), units = cell_.units;
  const bool with_rows = pass.training || !final_only_;
  LayerForward<T> call;
  call.cell = cell_;
  call.batch = pass.batch.shape();
  call.input = layer_input(pass, input);
  call.directions = directions();
  call.precision = pass.precision;
  call.hidden = hidden_ = with_rows ? pass.scratch.array<T>(rows * output_size()) : nullptr;
  call.hidden_stride = output_size();
  for (int d = 0; d < call.directions; ++d) {
    ForwardDirection<T>& direction = call.direction[d];
    direction.weights = weights(directions_[d]);
    if (pass.training && cell_.saved_columns() > 0) {
      direction.saved = saved_[d] = pass.scratch.array<T>(rows * cell_.saved_columns());
    }
    if (pass.training && cell_.has_cell_state()) {
      direction.cells = cells_[d] = pass.scratch.array<T>(rows * units);
    }
    if (final_only_) direction.h_n = pass.scratch.array<T>(sequences * units);
  }
  layer_forward(call, workspace_);
  if (final_only_) {
    final_ = call.direction[0].h_n;
    if (call.directions > 1) {
      final_ = pass.scratch.array<T>(sequences * output_size());
      for (int d = 0; d < call.directions; ++d) {
        copy_block(sequences, units, call.direction[d].h_n, units, final_ + d * units, output_size());
      }
    }
  }
  return dense_rows<T>(hidden_, output_size());
}

template <class T>
void PanelLayer<T>::backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                             const InputGradient<T>& d_input) {
  const std::int64_t sequences = pass.batch.sequences(), units = cell_.units;
  LayerBackward<T> call;
  call.cell = cell_;
  call.batch = pass.batch.shape();
  call.input = layer_input(pass, input);
  call.directions = directions();
  call.precision = pass.precision;
  call.hidden = hidden_;
  call.hidden_stride = output_size();
  call.d_hidden = final_only_ ? nullptr : d_output;
  call.d_hidden_stride = output_size();
  call.d_rows = d_input.rows;
  call.d_rows_stride = input.size;
  call.d_embedding = d_input.embedding;
  ScratchFrame scratch;
  for (int d = 0; d < call.directions; ++d) {
    BackwardDirection<T>& direction = call.direction[d];
    direction.weights = weights(directions_[d]);
    direction.saved = saved_[d];
    direction.cells = cells_[d];
    direction.d_kernel = directions_[d].kernel->gradient;
    direction.d_recurrent_kernel = directions_[d].recurrent_kernel->gradient;
    direction.d_bias = directions_[d].bias->gradient;
    if (!final_only_) continue;
    direction.d_h_n = d_final_;
    if (call.directions > 1) {
      T* d_h_n = scratch.array<T>(sequences * units);
      copy_block(sequences, units, d_final_ + d * units, output_size(), d_h_n, units);
      direction.d_h_n = d_h_n;
    }
  }
  layer_backward(call, workspace_);
}

template class PanelLayer<float>;
template class PanelLayer<double>;

}  // namespace sulsul
