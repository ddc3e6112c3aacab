// Batch normalisation over packed rows (Ioffe & Szegedy 2015, algorithm 1), with Keras's moving statistics.
#pragma once

#include "network/parameter.h"
#include "network/sequence_layer.h"

namespace sulsul {

template <class T>
struct BatchNormParameters {
  Parameter<T>* gamma = nullptr;
  Parameter<T>* beta = nullptr;
  Parameter<T>* moving_mean = nullptr;  // not trained; a forward in training moves them
  Parameter<T>* moving_variance = nullptr;
};

template <class T>
class BatchNorm final : public SequenceLayer<T> {
 public:
  BatchNorm(const BatchNormParameters<T>& parameters, std::int64_t size, double momentum, double epsilon)
      : parameters_(parameters), size_(size), momentum_(momentum), epsilon_(epsilon) {}

  std::int64_t output_size() const override { return size_; }
  SequenceInput<T> forward(const Pass& pass, const SequenceInput<T>& input) override;
  void backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                const InputGradient<T>& d_input) override;

 private:
  void measure(const Pass& pass, const T* rows);

  const BatchNormParameters<T> parameters_;
  const std::int64_t size_;
  const double momentum_, epsilon_;
  // Of the pass: statistics of the batch.
  T* mean_ = nullptr;
  T* inverse_deviation_ = nullptr;
};

}  // namespace sulsul
