// Simple RNN (Elman 1990): h' = act(x W + b + h U).
#pragma once

#include "recurrence/micro_kernel.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, bool Relu>
struct SimpleRnn {
  using S = Simd<T>;
  using Reg = typename S::Reg;
  static constexpr int kRows = block_rows(kPanelVectors);

  template <int Rows, int Vectors>
  static SULSUL_INLINE void panel(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                                  std::int64_t unit, const T* packed, const T* h, std::int64_t h_stride) {
    const std::int64_t units = w.cell.units;
    Reg sums[Rows][Vectors];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const T* source = source_row(s, first + r);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const std::int64_t u = unit + v * S::lanes;
        sums[r][v] = Units<S>(u, units).load(source + u) + S::load(w.bias + u);
      }
    }
    multiply_rows<S>(units, h, h_stride, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const std::int64_t u = unit + v * S::lanes;
        const Reg result = activate<S, Relu>(sums[r][v]);
        S::store(s.h + (first + r) * s.state_stride + u, result);
        if (s.hidden) Units<S>(u, units).store(s.hidden + (first + r) * s.hidden_stride + u, result);
      }
    }
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const bool one_panel = w.padded_units <= kPanelVectors * S::lanes;
    for_row_blocks<kRows>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      std::int64_t stride;
      const T* h = previous_states<S, kCount>(s, first, w.padded_units, one_panel, &stride);
      for_panels<S>(w.cell.units, w.padded_units, w.forward,
                    [&](auto vectors, std::int64_t unit, const T* packed) {
                      panel<kCount, decltype(vectors)::value>(w, s, first, unit, packed, h, stride);
                    });
    });
  }

  // The gradient of the pre-activation, into d_gates.
  static SULSUL_INLINE void gate_gradient(const StepWeights<T>& w, const BackwardStep<T>& s,
                                          std::int64_t row) {
    const std::int64_t units = w.cell.units;
    for (std::int64_t u = 0; u < w.padded_units; u += S::lanes) {
      const Units<S> lanes(u, units);
      Reg dh = S::load(s.dh + row * s.state_stride + u);
      if (s.d_hidden) dh += lanes.load(s.d_hidden + row * s.d_hidden_stride + u);
      const Reg h = lanes.load(s.saved + row * s.saved_stride + u);
      lanes.store(s.d_gates + row * s.d_gates_stride + u, times_slope<S, Relu>(dh, h));
    }
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    for_row_blocks<kRows>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      for (int r = 0; r < kCount; ++r) gate_gradient(w, s, first + r);
      for_panels<S>(w.cell.units, w.padded_units, w.backward,
                    [&](auto vectors, std::int64_t unit, const T* packed) {
                      constexpr int kVectors = decltype(vectors)::value;
                      Reg sums[kCount][kVectors] = {};
                      multiply_rows<S>(w.cell.units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride,
                                       packed, sums);
                      store_states<S>(s.dh + first * s.state_stride + unit, s.state_stride, sums);
                    });
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
