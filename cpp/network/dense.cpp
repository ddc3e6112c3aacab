#include "network/dense.h"

#include <algorithm>

#include "network/row_kernels.h"
#include "recurrence/step.h"

namespace sulsul {

template <class T>
const T* Dense<T>::forward(const Pass& pass, const T* x) {
  const std::int64_t rows = pass.batch.sequences(), inputs = input_size(), outputs = output_size();
  T* y = pass.scratch.array<T>(rows * outputs);
  packed_.pack(inputs, outputs, kernel_->values, outputs, false, pass.precision);
  matmul(rows, x, inputs, packed_, static_cast<const T*>(bias_->values), false, y, outputs);
  if (activation_ == Activation::tanh) {
    row_kernels<T>().hyperbolic_tangents(rows * outputs, y);
  } else if (activation_ == Activation::relu) {
    for (T* value = y; value < y + rows * outputs; ++value) *value = *value < T(0) ? T(0) : *value;
  }
  output_ = y;
  return y;
}

template <class T>
void Dense<T>::backward(const Pass& pass, const T* x, T* d, T* d_x) {
  const std::int64_t rows = pass.batch.sequences(), inputs = input_size(), outputs = output_size();
  for (std::int64_t i = 0; i < rows * outputs && activation_ != Activation::linear; ++i) {
    d[i] = activation_ == Activation::tanh ? d[i] * (T(1) - output_[i] * output_[i])
                                           : (output_[i] > T(0) ? d[i] : T(0));
  }
  std::fill(bias_->gradient, bias_->gradient + outputs, T(0));
  step_kernels<T>().add_rows(rows, outputs, d, outputs, bias_->gradient);
  matmul_tn(inputs, outputs, rows, x, inputs, static_cast<const T*>(d), outputs, false, kernel_->gradient,
            outputs, pass.precision);
  packed_transposed_.pack(outputs, inputs, kernel_->values, outputs, true, pass.precision);
  matmul(rows, static_cast<const T*>(d), outputs, packed_transposed_, static_cast<const T*>(nullptr), false,
         d_x, inputs);
}

template class Dense<float>;
template class Dense<double>;

}  // namespace sulsul
