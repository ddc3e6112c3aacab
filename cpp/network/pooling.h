// From packed rows (N, F) to one row per packed sequence (B, F); zeros for an empty sequence.
//
// A sequence's row is computed from its own rows alone, in the order of time. Equations:
// src/sulsul/model/pooling.py.
#pragma once

#include <memory>

#include "network/parameter.h"
#include "network/pass.h"

namespace sulsul {

template <class T>
class Pooling {
 public:
  virtual ~Pooling() = default;
  // `pooled` is overwritten.
  virtual void forward(const Pass& pass, const T* rows, T* pooled) = 0;
  // After a forward in training; d_rows is overwritten.
  virtual void backward(const Pass& pass, const T* rows, const T* d_pooled, T* d_rows) = 0;
};

// The state after the last timestep, and of the last n_backward features that of timestep 0.
template <class T>
std::unique_ptr<Pooling<T>> last_pooling(std::int64_t size, std::int64_t n_backward);

template <class T>
std::unique_ptr<Pooling<T>> mean_pooling(std::int64_t size);

// Equal largest values share the gradient.
template <class T>
std::unique_ptr<Pooling<T>> max_pooling(std::int64_t size);

// A mean weighted by the softmax over time of the rows' products with `query` (size).
template <class T>
std::unique_ptr<Pooling<T>> attention_pooling(std::int64_t size, Parameter<T>* query);

}  // namespace sulsul
