#include "network/narrow_source.h"

#include <algorithm>
#include <type_traits>

#include "network/narrow_kernels.h"
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
    ScratchFrame own;
    T* scaled = own.array<T>(input_.size * units + units);
    T* scaled_bias = scaled + input_.size * units;
    for (std::int64_t i = 0; i < input_.size * units; ++i) scaled[i] = values[i] * scale_;
    for (std::int64_t u = 0; u < units; ++u) scaled_bias[u] = bias[u] * scale_;
    kernel.pack(input_.size, units, scaled, units, false, pass_.precision);
    matmul(n, inputs(), input_.size, kernel, scaled_bias, false, products, width_);
  }
  return products;
}

template <class T>
void NarrowSource<T>::one_hot_products(const T* kernel, const T* bias, std::int64_t units,
                                       T* products) const {
  const std::int64_t* token_ids = by_token_ ? nullptr : pass_.batch.token_ids();
  const std::int64_t n = n_rows();
  const auto write = [&](auto count) __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T* row = kernel + (token_ids ? token_ids[i] : i) * units;
      for (std::int64_t u = 0; u < count; ++u) products[i * width_ + u] = (row[u] + bias[u]) * scale_;
    }
  };
  // A number that the compiler knows makes vectors of the inner loop.
  if (units == kNarrowUnits) return write(std::integral_constant<std::int64_t, kNarrowUnits>());
  write(units);
}

template <class T>
void NarrowSource<T>::one_hot_gradient(const T* d_products, std::int64_t units, T* d_kernel) const {
  const std::int64_t n = n_rows();
  // A masked addition keeps the next row's load waiting, 5 ns for each row of eight.
  if (by_token_ && units == width_) {
    std::copy(d_products, d_products + n * units, d_kernel);
    return;
  }
  std::fill(d_kernel, d_kernel + input_.size * units, T(0));
  if (by_token_) {
    step_kernels<T>().add_matrix(n, units, d_products, width_, d_kernel, units);
  } else {
    step_kernels<T>().scatter_add(n, units, pass_.batch.token_ids(), d_products, width_, d_kernel, units);
  }
}

// The general product copies its factors first, which a vocabulary's few rows are not worth.
template <class T>
void NarrowSource<T>::kernel_gradient(const T* d_products, std::int64_t units, T* d_kernel) const {
  constexpr std::int64_t kFewRows = 2048, kFewColumns = 32;
  const std::int64_t n = n_rows(), size = input_.size;
  if (!by_token_ || n > kFewRows || size > kFewColumns) {
    return matmul_tn(size, units, n, inputs(), size, d_products, width_, false, d_kernel, units,
                     pass_.precision);
  }
  std::fill(d_kernel, d_kernel + size * units, T(0));
  step_kernels<T>().add_products(n, size, units, inputs(), size, d_products, width_, d_kernel, units);
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
  kernel_gradient(d_products, units, parameters.kernel->gradient);
  if (d_input.rows == nullptr && d_input.embedding == nullptr) return;
  kernel_transposed.pack(units, size, parameters.kernel->values, units, true, pass_.precision);
  const T* no_bias = nullptr;
  T* d_x = by_token_ ? d_input.embedding : d_input.rows;
  matmul(n, d_products, width_, kernel_transposed, no_bias, add, d_x, size);
}

template class NarrowSource<float>;
template class NarrowSource<double>;

}  // namespace sulsul
