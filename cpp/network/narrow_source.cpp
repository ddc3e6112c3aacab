#include "network/narrow_source.h"

#include <algorithm>

#include "recurrence/step.h"

namespace sulsul {

template <class T>
const T* NarrowSource<T>::products(const DirectionParameters<T>& parameters, PackedMatrix<T>& kernel,
                                   ScratchFrame& scratch) const {
  const std::int64_t units = parameters.kernel->shape[1], n = n_rows();
  const T* values = parameters.kernel->values;
  const T* bias = parameters.bias->values;
  T* products = scratch.array<T>(n * width_);
  if (units < width_) std::fill(products, products + n * width_, T(0));
  if (one_hot()) {
    one_hot_products(values, bias, units, products);
  } else {
    kernel.pack(input_.size, units, values, units, false, pass_.precision);
    matmul(n, inputs(), input_.size, kernel, bias, false, products, width_);
  }
  return products;
}

template <class T>
void NarrowSource<T>::one_hot_products(const T* kernel, const T* bias, std::int64_t units,
                                       T* products) const {
  const std::int64_t* token_ids = by_token_ ? nullptr : pass_.batch.token_ids();
  const std::int64_t n = n_rows();
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = kernel + (token_ids ? token_ids[i] : i) * units;
    for (std::int64_t u = 0; u < units; ++u) products[i * width_ + u] = row[u] + bias[u];
  }
}

template <class T>
void NarrowSource<T>::one_hot_gradient(const T* d_products, std::int64_t units, T* d_kernel) const {
  const std::int64_t n = n_rows();
  std::fill(d_kernel, d_kernel + input_.size * units, T(0));
  if (by_token_) {
    step_kernels<T>().add_matrix(n, units, d_products, width_, d_kernel, units);
  } else {
    step_kernels<T>().scatter_add(n, units, pass_.batch.token_ids(), d_products, width_, d_kernel, units);
  }
}

template <class T>
void NarrowSource<T>::gradients(const T* d_products, const DirectionParameters<T>& parameters,
                                PackedMatrix<T>& kernel_transposed, bool add,
                                const InputGradient<T>& d_input) const {
  const std::int64_t units = parameters.kernel->shape[1], n = n_rows(), size = input_.size;
  T* d_bias = parameters.bias->gradient;
  std::fill(d_bias, d_bias + units, T(0));
  step_kernels<T>().add_rows(n, units, d_products, width_, d_bias);
  if (one_hot()) return one_hot_gradient(d_products, units, parameters.kernel->gradient);
  matmul_tn(size, units, n, inputs(), size, d_products, width_, false, parameters.kernel->gradient, units,
            pass_.precision);
  if (d_input.rows == nullptr && d_input.embedding == nullptr) return;
  kernel_transposed.pack(units, size, parameters.kernel->values, units, true, pass_.precision);
  const T* no_bias = nullptr;
  T* d_x = by_token_ ? d_input.embedding : d_input.rows;
  matmul(n, d_products, width_, kernel_transposed, no_bias, add, d_x, size);
}

template class NarrowSource<float>;
template class NarrowSource<double>;

}  // namespace sulsul
