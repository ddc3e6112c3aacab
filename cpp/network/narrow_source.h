// What the steps of a narrow layer start from: x W + b of one direction, and the way back.
#pragma once

#include "network/recurrent_layer.h"

namespace sulsul {

// Rows of `width` (units and zeros behind them), one for each word of the vocabulary if `by_token`, else one
// for each packed row.
template <class T>
class NarrowSource {
 public:
  // `rows`: the inputs (N, I), embedded where they are tokens; not needed if by_token or for a one-hot input.
  // `scale`: a factor on products().
  NarrowSource(const Pass& pass, const SequenceInput<T>& input, const T* rows, std::int64_t width,
               bool by_token, T scale)
      : pass_(pass), input_(input), rows_(rows), width_(width), by_token_(by_token), scale_(scale) {}

  std::int64_t n_rows() const { return by_token_ ? input_.tokens->vocabulary_size : pass_.batch.rows(); }

  // (x W + b) scale, in the scratch memory.
  const T* products(const DirectionParameters<T>& parameters, PackedMatrix<T>& kernel,
                    ScratchFrame& scratch) const;

  // From the gradient of x W + b to those of bias, kernel and input. `add`: to the input's gradient that
  // is there.
  void gradients(const T* d_products, const DirectionParameters<T>& parameters,
                 PackedMatrix<T>& kernel_transposed, bool add, const InputGradient<T>& d_input) const;

 private:
  bool one_hot() const { return input_.tokens && input_.tokens->table() == nullptr; }
  const T* inputs() const { return by_token_ ? input_.tokens->table() : rows_; }
  void one_hot_products(const T* kernel, const T* bias, std::int64_t units, T* products) const;
  void kernel_gradient(const T* d_products, std::int64_t units, T* d_kernel) const;
  void one_hot_gradient(const T* d_products, std::int64_t units, T* d_kernel) const;

  const Pass& pass_;
  const SequenceInput<T>& input_;
  const T* const rows_;
  const std::int64_t width_;
  const bool by_token_;
  const T scale_;
};

}  // namespace sulsul
