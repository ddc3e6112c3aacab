// A layer over pooled rows (B, I).
#pragma once

#include "network/pass.h"

namespace sulsul {

template <class T>
class PooledLayer {
 public:
  virtual ~PooledLayer() = default;
  virtual std::int64_t input_size() const = 0;

  // The output (B, its size), which lasts as long as the pass.
  virtual const T* forward(const Pass& pass, const T* x) = 0;

  // After a forward in training. d_output and d_x are overwritten.
  virtual void backward(const Pass& pass, const T* x, T* d_output, T* d_x) = 0;
};

}  // namespace sulsul
