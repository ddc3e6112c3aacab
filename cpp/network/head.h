// Layers on pooled rows, one after another; the last one gives the logits.
#pragma once

#include <memory>
#include <vector>

#include "network/pooled_layer.h"

namespace sulsul {

template <class T>
class Head {
 public:
  void add(std::unique_ptr<PooledLayer<T>> layer) { layers_.push_back(std::move(layer)); }
  std::size_t n_layers() const { return layers_.size(); }

  // Output of the last layer, which lasts as long as the pass.
  const T* forward(const Pass& pass, const T* pooled);

  // After a forward in training. Gradient of `pooled`, which lasts as long as the pass; d_output is
  // overwritten.
  T* backward(const Pass& pass, T* d_output);

 private:
  std::vector<std::unique_ptr<PooledLayer<T>>> layers_;
  std::vector<const T*> inputs_;  // of the pass, one for each layer
};

}  // namespace sulsul
