// A layer over packed rows.
#pragma once

#include "network/input.h"
#include "network/pass.h"

namespace sulsul {

// What a layer reads: dense rows, or the batch's tokens.
template <class T>
struct SequenceInput {
  const T* rows = nullptr;           // (N, size), without gaps
  const Input<T>* tokens = nullptr;  // what they stand for
  std::int64_t size = 0;
};

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
  virtual SequenceInput<T> forward(const Pass& pass, const SequenceInput<T>& input) = 0;

  // After a forward in training, for the same pass and input. d_output is (N, output_size()).
  virtual void backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                        const InputGradient<T>& d_input) = 0;
};

template <class T>
SequenceInput<T> dense_rows(const T* rows, std::int64_t size) {
  SequenceInput<T> input;
  input.rows = rows;
  input.size = size;
  return input;
}

// The batch as the first layer's input. `as_rows`: embedded, for a layer that looks nothing up.
template <class T>
SequenceInput<T> read_input(const Input<T>& input, const Pass& pass, bool as_rows);

}  // namespace sulsul
