// A layer over packed rows.
#pragma once

#include "network/pass.h"
#include "recurrence/layer.h"

namespace sulsul {

// Where the gradient of a layer's input goes; overwritten. nullptr: not wanted.
template <class T>
struct InputGradient {
  T* rows = nullptr;       // (N, I), without gaps
  T* embedding = nullptr;  // (V, I), where the input is tokens
};

template <class T>
class SequenceLayer {
 public:
  virtual ~SequenceLayer() = default;
  virtual std::int64_t output_size() const = 0;

  // The output's rows (N, output_size()), which last as long as the pass.
  virtual LayerInput<T> forward(const Pass& pass, const LayerInput<T>& input) = 0;

  // After a forward in training, for the same pass and input. d_output is (N, output_size()).
  virtual void backward(const Pass& pass, const LayerInput<T>& input, const T* d_output,
                        const InputGradient<T>& d_input) = 0;
};

template <class T>
LayerInput<T> dense_rows(const T* rows, std::int64_t size) {
  LayerInput<T> input;
  input.rows = rows;
  input.stride = input.size = size;
  return input;
}

}  // namespace sulsul
