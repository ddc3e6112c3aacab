#include "network/head.h"

namespace sulsul {

template <class T>
const T* Head<T>::forward(const Pass& pass, const T* pooled) {
  inputs_.clear();
  const T* x = pooled;
  for (const auto& layer : layers_) {
    inputs_.push_back(x);
    x = layer->forward(pass, x);
  }
  return x;
}

template <class T>
T* Head<T>::backward(const Pass& pass, T* d_output) {
  T* d = d_output;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    T* d_input = pass.scratch.array<T>(pass.batch.sequences() * layers_[i]->input_size());
    layers_[i]->backward(pass, inputs_[i], d, d_input);
    d = d_input;
  }
  return d;
}

template class Head<float>;
template class Head<double>;

}  // namespace sulsul
