// Simple RNN (Elman 1990): h' = act(x W + b + h U).
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu, class Product>
struct SimpleRnn {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  // Rows [first, first + rows), whose products are in the scratch memory.
  static void new_states(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                         std::int64_t rows) {
    const Matrix<const T> product{s.scratch, w.padded_columns};
    for_groups<S, 4>(rows, w.cell.units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      Reg h[N];
      SULSUL_EACH {
        const std::int64_t u = group.unit(j);
        const T* source = source_row(s, first + group.row(j)) + u;
        h[j] = group.load(product.at(group.row(j), u)) + (group.load(source) + group.load(w.bias + u));
      }
      activate<S, Relu>(h);
      SULSUL_EACH {
        const std::int64_t row = first + group.row(j), u = group.unit(j);
        S::store(s.h + row * s.state_stride + u, h[j]);
        if (s.hidden) group.store(s.hidden + row * s.hidden_stride + u, h[j]);
      }
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks<Product>(s.rows, units, [&](std::int64_t first, std::int64_t rows) {
      Product::multiply(rows, units, s.h + first * s.state_stride, s.state_stride, w.forward, units, false,
                        s.scratch, w.padded_columns);
      new_states(w, s, first, rows);
    });
  }

  static void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t first,
                             std::int64_t rows) {
    for_groups<S, 4>(rows, w.cell.units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      SULSUL_EACH {
        const std::int64_t row = first + group.row(j), u = group.unit(j);
        Reg dh = S::load(s.dh + row * s.state_stride + u);
        if (s.d_hidden) dh += group.load(s.d_hidden + row * s.d_hidden_stride + u);
        const Reg h = group.load(s.saved + row * s.saved_stride + u);
        group.store(s.d_gates + row * s.d_gates_stride + u, times_slope<S, Relu>(dh, h));
      }
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks<Product>(s.rows, units, [&](std::int64_t first, std::int64_t rows) {
      gate_gradients(w, s, first, rows);
      Product::multiply(rows, units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride, w.backward,
                        units, false, s.dh + first * s.state_stride, s.state_stride);
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
