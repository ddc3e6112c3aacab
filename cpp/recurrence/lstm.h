// LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), gates i, f, c (new), o.
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu, class Product>
struct Lstm {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  // Rows [first, first + rows), whose products are in the scratch memory.
  static void new_states(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                         std::int64_t rows) {
    const std::int64_t units = w.cell.units;
    const Matrix<const T> product{s.scratch, w.padded_columns};
    for_groups<S, 2>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      Reg gates[3 * N], g[N], c[N], h[N];  // i, f and o of each vector
      SULSUL_EACH {
        const T* source = source_row(s, first + group.row(j));
        const auto sum = [&](std::int64_t gate) {
          const std::int64_t column = gate * units + group.unit(j);
          return group.load(product.at(group.row(j), column)) +
                 (group.load(source + column) + group.load(w.bias + column));
        };
        gates[3 * j] = sum(0);
        gates[3 * j + 1] = sum(1);
        gates[3 * j + 2] = sum(3);
        g[j] = sum(2);
      }
      logistic_and_activate<S, Relu>(gates, g);
      SULSUL_EACH {
        T* state = s.c + (first + group.row(j)) * s.state_stride + group.unit(j);
        c[j] = S::fma(gates[3 * j + 1], S::load(state), gates[3 * j] * g[j]);
        S::store(state, c[j]);
        h[j] = c[j];
      }
      if (s.saved) {
        SULSUL_EACH {
          const std::int64_t row = first + group.row(j), u = group.unit(j);
          T* saved = s.saved + row * s.saved_stride + u;
          group.store(saved, gates[3 * j], s.stream);
          group.store(saved + units, gates[3 * j + 1], s.stream);
          group.store(saved + 2 * units, g[j], s.stream);
          group.store(saved + 3 * units, gates[3 * j + 2], s.stream);
          group.store(s.cells + row * s.cells_stride + u, c[j], s.stream);
        }
      }
      activate<S, Relu>(h);
      SULSUL_EACH {
        const std::int64_t row = first + group.row(j), u = group.unit(j);
        h[j] = gates[3 * j + 2] * h[j];
        S::store(s.h + row * s.state_stride + u, h[j]);
        if (s.hidden) group.store(s.hidden + row * s.hidden_stride + u, h[j]);
      }
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t columns = w.cell.columns();
    for_row_blocks<Product>(s.rows, columns, [&](std::int64_t first, std::int64_t rows) {
      Product::multiply(rows, w.cell.units, s.h + first * s.state_stride, s.state_stride, w.forward, columns,
                        false, s.scratch, w.padded_columns);
      new_states(w, s, first, rows);
    });
  }

  // tanh(c) is computed again rather than kept: the memory traffic would cost more. The processor does not
  // foresee that time runs backwards: asking for the next timestep's gates early takes 3 to 5 % off the whole
  // backward.
  static void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t first,
                             std::int64_t rows) {
    const std::int64_t units = w.cell.units;
    const Reg one = S::set(1);
    for_groups<S, 4>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      Reg squashed[N];
      SULSUL_EACH squashed[j] = group.load(s.cells + (first + group.row(j)) * s.cells_stride + group.unit(j));
      activate<S, Relu>(squashed);
      SULSUL_EACH {
        const std::int64_t row = first + group.row(j), u = group.unit(j);
        const T* saved = s.saved + row * s.saved_stride + u;
        for (int gate = 0; gate < 4; ++gate) __builtin_prefetch(saved + s.next_saved + gate * units, 0, 2);
        const Reg i = group.load(saved);
        const Reg f = group.load(saved + units);
        const Reg g = group.load(saved + 2 * units);
        const Reg o = group.load(saved + 3 * units);
        Reg dh = S::load(s.dh + row * s.state_stride + u);
        if (s.d_hidden) dh += group.load(s.d_hidden + row * s.d_hidden_stride + u);
        T* dc_state = s.dc + row * s.state_stride + u;
        const Reg dc = S::load(dc_state) + times_slope<S, Relu>(dh * o, squashed[j]);
        const Reg c_previous = group.load(s.c_previous + row * s.c_previous_stride + u);
        T* out = s.d_gates + row * s.d_gates_stride + u;
        group.store(out, dc * g * (i * (one - i)));
        group.store(out + units, dc * c_previous * (f * (one - f)));
        group.store(out + 2 * units, times_slope<S, Relu>(dc * i, g));
        group.store(out + 3 * units, dh * squashed[j] * (o * (one - o)));
        S::store(dc_state, dc * f);
      }
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks<Product>(s.rows, units, [&](std::int64_t first, std::int64_t rows) {
      gate_gradients(w, s, first, rows);
      Product::multiply(rows, 4 * units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride, w.backward,
                        units, false, s.dh + first * s.state_stride, s.state_stride);
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
