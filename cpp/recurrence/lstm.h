// LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), gates i, f, c (new), o.
#pragma once

#include "recurrence/micro_kernel.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu>
struct Lstm {
  using S = Simd<T>;
  using Reg = typename S::Reg;
  static constexpr int kGates = 4;
  static constexpr int kRows = block_rows(kGates);

  template <int Rows>
  static SULSUL_INLINE void gates(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                                  std::int64_t u, const T* packed, const T* h, std::int64_t h_stride) {
    const std::int64_t units = w.cell.units;
    const Units<S> lanes(u, units);
    Reg sums[Rows][kGates];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const T* source = source_row(s, first + r) + u;
#pragma GCC unroll 4
      for (int g = 0; g < kGates; ++g) {
        sums[r][g] = lanes.load(source + g * units) + S::load(w.bias + g * w.padded_units + u);
      }
    }
    multiply_rows<S>(units, h, h_stride, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const std::int64_t row = first + r;
      const Reg i = logistic<S>(sums[r][0]);
      const Reg f = logistic<S>(sums[r][1]);
      const Reg g = activate<S, Relu>(sums[r][2]);
      const Reg o = logistic<S>(sums[r][3]);
      T* state = s.c + row * s.state_stride + u;
      const Reg c = S::fma(f, S::load(state), i * g);
      S::store(state, c);
      const Reg result = o * activate<S, Relu>(c);
      S::store(s.h + row * s.state_stride + u, result);
      if (s.hidden) lanes.store(s.hidden + row * s.hidden_stride + u, result);
      if (s.saved) {
        T* saved = s.saved + row * s.saved_stride + u;
        lanes.store(saved, i);
        lanes.store(saved + units, f);
        lanes.store(saved + 2 * units, g);
        lanes.store(saved + 3 * units, o);
        lanes.store(s.cells + row * s.cells_stride + u, c);
      }
    }
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const bool one_panel = w.padded_units == S::lanes;
    for_row_blocks<kRows>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      std::int64_t stride;
      const T* h = previous_states<S, kCount>(s, first, w.padded_units, one_panel, &stride);
      const T* packed = w.forward;
      for (std::int64_t u = 0; u < w.padded_units;
           u += S::lanes, packed += w.cell.units * kGates * S::lanes) {
        gates<kCount>(w, s, first, u, packed, h, stride);
      }
    });
  }

  // tanh(c) is computed again rather than kept: the memory traffic would cost more.
  static SULSUL_INLINE void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s,
                                           std::int64_t row, std::int64_t u) {
    const std::int64_t units = w.cell.units;
    const Units<S> lanes(u, units);
    const Reg one = S::set(1);
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
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    for_row_blocks<block_rows(kPanelVectors)>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      for (std::int64_t u = 0; u < w.padded_units; u += S::lanes) {
        for (int r = 0; r < kCount; ++r) gate_gradients(w, s, first + r, u);
      }
      for_panels<S>(kGates * w.cell.units, w.padded_units, w.backward,
                    [&](auto vectors, std::int64_t unit, const T* packed) {
                      constexpr int kVectors = decltype(vectors)::value;
                      Reg sums[kCount][kVectors] = {};
                      multiply_rows<S>(kGates * w.cell.units, s.d_gates + first * s.d_gates_stride,
                                       s.d_gates_stride, packed, sums);
                      store_states<S>(s.dh + first * s.state_stride + unit, s.state_stride, sums);
                    });
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
