#include "network/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "network/row_kernels.h"
#include "recurrence/step.h"

namespace sulsul {
namespace {

// Sums over all rows, range after range in double, whatever the number of threads. `add` is called with a
// range of rows and its own zeroed sums.
template <class T, class F>
void sum_columns(std::int64_t rows, std::int64_t columns, double* totals, const F& add) {
  ScratchFrame scratch;
  const std::int64_t n_ranges = row_ranges(rows);
  T* sums = scratch.array<T>(n_ranges * columns);
  for_row_ranges(rows, rows * columns, [&](std::int64_t range, std::int64_t first, std::int64_t end) {
    T* sum = sums + range * columns;
    std::fill(sum, sum + columns, T(0));
    add(first, end, sum);
  });
  std::fill(totals, totals + columns, 0.0);
  for (std::int64_t range = 0; range < n_ranges; ++range) {
    for (std::int64_t i = 0; i < columns; ++i) totals[i] += static_cast<double>(sums[range * columns + i]);
  }
}

}  // namespace

template <class T>
void BatchNorm<T>::measure(const Pass& pass, const T* x) {
  const std::int64_t rows = pass.batch.rows();
  const auto n = static_cast<double>(rows);
  ScratchFrame scratch;
  double* totals = scratch.array<double>(size_);
  sum_columns<T>(rows, size_, totals, [&](std::int64_t first, std::int64_t end, T* sum) {
    step_kernels<T>().add_rows(end - first, size_, x + first * size_, size_, sum);
  });
  const T share = static_cast<T>(1.0 - momentum_);
  const auto move = [share](T& moving, T value) { moving += share * (value - moving); };
  for (std::int64_t i = 0; i < size_; ++i) {
    mean_[i] = static_cast<T>(totals[i] / n);
    move(parameters_.moving_mean->values[i], mean_[i]);
  }
  sum_columns<T>(rows, size_, totals, [&](std::int64_t first, std::int64_t end, T* sum) {
    row_kernels<T>().add_squared_deviations(end - first, size_, x + first * size_, mean_, sum);
  });
  for (std::int64_t i = 0; i < size_; ++i) {
    move(parameters_.moving_variance->values[i], static_cast<T>(totals[i] / n));
    inverse_deviation_[i] = static_cast<T>(1.0 / std::sqrt(totals[i] / n + epsilon_));
  }
}

template <class T>
SequenceInput<T> BatchNorm<T>::forward(const Pass& pass, const SequenceInput<T>& input) {
  const std::int64_t rows = pass.batch.rows();
  if (rows == 0) return input;
  mean_ = pass.scratch.array<T>(size_);
  inverse_deviation_ = pass.scratch.array<T>(size_);
  T* scale = pass.scratch.array<T>(size_);
  T* out = pass.scratch.array<T>(rows * size_);
  if (pass.training) {
    measure(pass, input.rows);
  } else {
    const T* variance = parameters_.moving_variance->values;
    std::copy(parameters_.moving_mean->values, parameters_.moving_mean->values + size_, mean_);
    for (std::int64_t i = 0; i < size_; ++i) {
      inverse_deviation_[i] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(variance[i]) + epsilon_));
    }
  }
  for (std::int64_t i = 0; i < size_; ++i) scale[i] = inverse_deviation_[i] * parameters_.gamma->values[i];
  for_row_ranges(rows, rows * size_, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    row_kernels<T>().normalise(end - first, size_, input.rows + first * size_, mean_, scale,
                               parameters_.beta->values, out + first * size_);
  });
  return dense_rows<T>(out, size_);
}

// With s = gamma / deviation and x̂ = (x - mean) / deviation:
// dx = s (d - mean(d) - x̂ mean(d x̂)), d_beta = sum(d), d_gamma = sum(d x̂).
template <class T>
void BatchNorm<T>::backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                            const InputGradient<T>& d_input) {
  const std::int64_t rows = pass.batch.rows();
  T* d_gamma = parameters_.gamma->gradient;
  T* d_beta = parameters_.beta->gradient;
  if (rows == 0) {
    std::fill(d_gamma, d_gamma + size_, T(0));
    std::fill(d_beta, d_beta + size_, T(0));
    return;
  }
  const auto n = static_cast<double>(rows);
  ScratchFrame scratch;
  double* totals = scratch.array<double>(size_);
  T* factor = scratch.array<T>(size_);
  T* slope = scratch.array<T>(size_);
  T* offset = scratch.array<T>(size_);
  sum_columns<T>(rows, size_, totals, [&](std::int64_t first, std::int64_t end, T* sum) {
    step_kernels<T>().add_rows(end - first, size_, d_output + first * size_, size_, sum);
  });
  for (std::int64_t i = 0; i < size_; ++i) {
    d_beta[i] = static_cast<T>(totals[i]);
    factor[i] = parameters_.gamma->values[i] * inverse_deviation_[i];
    offset[i] = factor[i] * static_cast<T>(totals[i] / n);
  }
  sum_columns<T>(rows, size_, totals, [&](std::int64_t first, std::int64_t end, T* sum) {
    row_kernels<T>().add_deviation_products(end - first, size_, input.rows + first * size_, mean_,
                                            d_output + first * size_, sum);
  });
  for (std::int64_t i = 0; i < size_; ++i) {
    const T products = static_cast<T>(totals[i]) * inverse_deviation_[i];
    d_gamma[i] = products;
    slope[i] = factor[i] * inverse_deviation_[i] * static_cast<T>(products / n);
  }
  if (d_input.rows == nullptr) return;
  for_row_ranges(rows, rows * size_, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    row_kernels<T>().normalise_backward(end - first, size_, input.rows + first * size_, mean_, factor, slope,
                                        offset, d_output + first * size_, d_input.rows + first * size_);
  });
}

template class BatchNorm<float>;
template class BatchNorm<double>;

}  // namespace sulsul
