// LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), gates i, f, c (new), o.
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu>
struct Lstm {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  static SULSUL_INLINE void new_state(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t row,
                                      const T* product) {
    const std::int64_t units = w.cell.units;
    const T* source = source_row(s, row);
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const auto sum = [&](std::int64_t gate) {
        const std::int64_t column = gate * units + u;
        return lanes.load(product + column) + (lanes.load(source + column) + lanes.load(w.bias + column));
      };
      const Reg i = logistic<S>(sum(0));
      const Reg f = logistic<S>(sum(1));
      const Reg g = activate<S, Relu>(sum(2));
      const Reg o = logistic<S>(sum(3));
      T* state = s.c + row * s.state_stride + u;
      const Reg c = S::fma(f, S::load(state), i * g);
      S::store(state, c);
      const Reg h = o * activate<S, Relu>(c);
      S::store(s.h + row * s.state_stride + u, h);
      if (s.hidden) lanes.store(s.hidden + row * s.hidden_stride + u, h);
      if (s.saved) {
        T* saved = s.saved + row * s.saved_stride + u;
        lanes.store(saved, i);
        lanes.store(saved + units, f);
        lanes.store(saved + 2 * units, g);
        lanes.store(saved + 3 * units, o);
        lanes.store(s.cells + row * s.cells_stride + u, c);
      }
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t columns = w.cell.columns(), width = w.padded_columns;
    for_row_blocks(s.rows, block_rows<T>(columns), [&](std::int64_t first, std::int64_t rows) {
      multiply_rows(rows, w.cell.units, s.h + first * s.state_stride, s.state_stride, w.forward, columns, false,
                    s.scratch, width);
      for (std::int64_t r = 0; r < rows; ++r) new_state(w, s, first + r, s.scratch + r * width);
    });
  }

  // tanh(c) is computed again rather than kept: the memory traffic would cost more.
  static SULSUL_INLINE void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t row) {
    const std::int64_t units = w.cell.units;
    const Reg one = S::set(1);
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const T* saved = s.saved + row * s.saved_stride + u;
      const Reg i = lanes.load(saved);
      const Reg f = lanes.load(saved + units);
      const Reg g = lanes.load(saved + 2 * units);
      const Reg o = lanes.load(saved + 3 * units);
      const Reg squashed = activate<S, Relu>(lanes.load(s.cells + row * s.cells_stride + u));
      Reg dh = S::load(s.dh + row * s.state_stride + u);
      if (s.d_hidden) dh += lanes.load(s.d_hidden + row * s.d_hidden_stride + u);
      T* dc_state = s.dc + row * s.state_stride + u;
      const Reg dc = S::load(dc_state) + times_slope<S, Relu>(dh * o, squashed);
      const Reg c_previous = lanes.load(s.c_previous + row * s.previous_stride + u);
      T* out = s.d_gates + row * s.d_gates_stride + u;
      lanes.store(out, dc * g * (i * (one - i)));
      lanes.store(out + units, dc * c_previous * (f * (one - f)));
      lanes.store(out + 2 * units, times_slope<S, Relu>(dc * i, g));
      lanes.store(out + 3 * units, dh * squashed * (o * (one - o)));
      S::store(dc_state, dc * f);
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks(s.rows, block_rows<T>(units), [&](std::int64_t first, std::int64_t rows) {
      for (std::int64_t r = 0; r < rows; ++r) gate_gradients(w, s, first + r);
      multiply_rows(rows, 4 * units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride, w.backward, units, false,
                    s.dh + first * s.state_stride, s.state_stride);
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
