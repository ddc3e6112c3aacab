// φ(x·kernel + bias) on pooled rows (B, I).
#pragma once

#include "network/parameter.h"
#include "network/pooled_layer.h"

namespace sulsul {

enum class Activation { linear, relu, tanh };

template <class T>
class Dense final : public PooledLayer<T> {
 public:
  Dense(Parameter<T>* kernel, Parameter<T>* bias, Activation activation)
      : kernel_(kernel), bias_(bias), activation_(activation) {}

  std::int64_t input_size() const override { return kernel_->shape[0]; }
  const T* forward(const Pass& pass, const T* x) override;
  void backward(const Pass& pass, const T* x, T* d_output, T* d_x) override;

 private:
  std::int64_t output_size() const { return kernel_->shape[1]; }

  Parameter<T>* const kernel_;
  Parameter<T>* const bias_;
  const Activation activation_;
  PackedMatrix<T> packed_, packed_transposed_;
  const T* output_ = nullptr;  // of the pass
};

}  // namespace sulsul
