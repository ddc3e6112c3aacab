// The optimizers' update rules over flat arrays, per instruction set: src/sulsul/training/optimizers.py.
#pragma once

#include <cstdint>

namespace sulsul {

// Every array begins at a multiple of it, and their number of elements is one; the gaps between them hold
// zeros and stay so.
constexpr std::int64_t kUpdateBlock = 16;

// Parameters with their gradients and what the optimizer remembers of each.
template <class T>
struct FlatParameters {
  T* values = nullptr;
  const T* gradients = nullptr;
  T* first = nullptr;   // sgd: velocity; rmsprop: mean square; adam: mean
  T* second = nullptr;  // adam: mean square
  std::int64_t size = 0;

  FlatParameters range(std::int64_t begin, std::int64_t n) const {
    const auto at = [&](T* array) { return array ? array + begin : nullptr; };
    return {values + begin, gradients + begin, at(first), at(second), n};
  }
};

// Constants of one step. The gradient is g = gradient_scale · gradient + decay · value.
template <class T>
struct UpdateFactors {
  T learning_rate = 0;  // adam: with the corrections of both means
  T gradient_scale = 1;
  T decay = 0;
  T shrink = 1;        // value is multiplied by it first
  T first_decay = 0;   // share of the old value kept: momentum, beta 1
  T second_decay = 0;  // rho, beta 2
  T epsilon = 0;
};

template <class T>
struct UpdateKernels {
  void (*sgd)(const FlatParameters<T>&, const UpdateFactors<T>&);           // w -= lr g
  void (*sgd_momentum)(const FlatParameters<T>&, const UpdateFactors<T>&);  // u = momentum u + g; w -= lr u
  void (*rmsprop)(const FlatParameters<T>&, const UpdateFactors<T>&);       // w -= lr g / sqrt(v + eps)
  void (*adam)(const FlatParameters<T>&, const UpdateFactors<T>&);          // w -= lr m / (sqrt(v) + eps)
  // Sum of squares in double, in an order that depends on n alone.
  double (*sum_of_squares)(std::int64_t n, const T* x);
};

// For the active instruction set.
template <class T>
const UpdateKernels<T>& update_kernels();

}  // namespace sulsul
