// Simple RNN (Elman 1990): h' = act(x W + b + h U).
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu>
struct SimpleRnn {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  static SULSUL_INLINE void new_state(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t row,
                                      const T* product) {
    const T* source = source_row(s, row);
    for_units<S>(w.cell.units, [&](const auto& lanes, std::int64_t u) {
      const Reg sum = lanes.load(product + u) + (lanes.load(source + u) + lanes.load(w.bias + u));
      const Reg h = activate<S, Relu>(sum);
      S::store(s.h + row * s.state_stride + u, h);
      if (s.hidden) lanes.store(s.hidden + row * s.hidden_stride + u, h);
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t units = w.cell.units, width = w.padded_columns;
    for_row_blocks(s.rows, block_rows<T>(units), [&](std::int64_t first, std::int64_t rows) {
      multiply_rows(rows, units, s.h + first * s.state_stride, s.state_stride, w.forward, units, false, s.scratch,
                    width);
      for (std::int64_t r = 0; r < rows; ++r) new_state(w, s, first + r, s.scratch + r * width);
    });
  }

  static SULSUL_INLINE void gate_gradient(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t row) {
    for_units<S>(w.cell.units, [&](const auto& lanes, std::int64_t u) {
      Reg dh = S::load(s.dh + row * s.state_stride + u);
      if (s.d_hidden) dh += lanes.load(s.d_hidden + row * s.d_hidden_stride + u);
      const Reg h = lanes.load(s.saved + row * s.saved_stride + u);
      lanes.store(s.d_gates + row * s.d_gates_stride + u, times_slope<S, Relu>(dh, h));
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks(s.rows, block_rows<T>(units), [&](std::int64_t first, std::int64_t rows) {
      for (std::int64_t r = 0; r < rows; ++r) gate_gradient(w, s, first + r);
      multiply_rows(rows, units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride, w.backward, units, false,
                    s.dh + first * s.state_stride, s.state_stride);
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
