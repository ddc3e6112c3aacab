// GRU (Cho et al. 2014), gates z, r, h (new); the reset gate applied after the recurrent product, or before
// it.
#pragma once

#include "recurrence/micro_kernel.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T>
struct Gru {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  static SULSUL_INLINE void save(const ForwardStep<T>& s, const Units<S>& lanes, std::int64_t row,
                                 std::int64_t u, std::int64_t units, int gate, Reg value) {
    if (s.saved) lanes.store(s.saved + row * s.saved_stride + gate * units + u, value);
  }

  // h' = z h + (1 - z) n
  static SULSUL_INLINE void new_state(const ForwardStep<T>& s, const Units<S>& lanes, std::int64_t row,
                                      std::int64_t u, Reg z, Reg n) {
    T* state = s.h + row * s.state_stride + u;
    const Reg result = S::fma(z, S::load(state) - n, n);
    S::store(state, result);
    if (s.hidden) lanes.store(s.hidden + row * s.hidden_stride + u, result);
  }

  template <int Rows>
  static SULSUL_INLINE void gates_after(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                                        std::int64_t u, const T* packed, const T* h, std::int64_t h_stride) {
    const std::int64_t units = w.cell.units, padded = w.padded_units;
    const Units<S> lanes(u, units);
    Reg sums[Rows][3];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const T* source = source_row(s, first + r) + u;
      sums[r][0] = lanes.load(source) + S::load(w.bias + u);
      sums[r][1] = lanes.load(source + units) + S::load(w.bias + padded + u);
      sums[r][2] = S::load(w.bias + 3 * padded + u);
    }
    multiply_rows<S>(units, h, h_stride, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const std::int64_t row = first + r;
      const Reg z = logistic<S>(sums[r][0]);
      const Reg reset = logistic<S>(sums[r][1]);
      const Reg input = lanes.load(source_row(s, row) + 2 * units + u) + S::load(w.bias + 2 * padded + u);
      const Reg n = hyperbolic_tangent<S>(S::fma(reset, sums[r][2], input));
      save(s, lanes, row, u, units, 0, z);
      save(s, lanes, row, u, units, 1, reset);
      save(s, lanes, row, u, units, 2, n);
      save(s, lanes, row, u, units, 3, sums[r][2]);
      new_state(s, lanes, row, u, z, n);
    }
  }

  static void forward_after(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const bool one_panel = w.padded_units == S::lanes;
    for_row_blocks<block_rows(3)>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      std::int64_t stride;
      const T* h = previous_states<S, kCount>(s, first, w.padded_units, one_panel, &stride);
      const T* packed = w.forward;
      for (std::int64_t u = 0; u < w.padded_units; u += S::lanes, packed += w.cell.units * 3 * S::lanes) {
        gates_after<kCount>(w, s, first, u, packed, h, stride);
      }
    });
  }

  // Reset before the product, first half: z into the scratch's rows, r * h into the rows behind them.
  template <int Rows>
  static SULSUL_INLINE void gates_before(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                                         std::int64_t u, const T* packed) {
    const std::int64_t units = w.cell.units, padded = w.padded_units;
    const Units<S> lanes(u, units);
    const T* h = s.h + first * s.state_stride;
    Reg sums[Rows][2];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const T* source = source_row(s, first + r) + u;
      sums[r][0] = lanes.load(source) + S::load(w.bias + u);
      sums[r][1] = lanes.load(source + units) + S::load(w.bias + padded + u);
    }
    multiply_rows<S>(units, h, s.state_stride, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const Reg z = logistic<S>(sums[r][0]);
      const Reg reset = logistic<S>(sums[r][1]);
      const Reg kept = reset * S::load(h + r * s.state_stride + u);
      S::store(s.scratch + r * padded + u, z);
      S::store(s.scratch + (Rows + r) * padded + u, kept);
      save(s, lanes, first + r, u, units, 0, z);
      save(s, lanes, first + r, u, units, 1, reset);
      save(s, lanes, first + r, u, units, 3, kept);
    }
  }

  // Second half: n = tanh(x W_h + b_h + (r * h) U_h).
  template <int Rows, int Vectors>
  static SULSUL_INLINE void candidate_before(const StepWeights<T>& w, const ForwardStep<T>& s,
                                             std::int64_t first, std::int64_t unit, const T* packed) {
    const std::int64_t units = w.cell.units, padded = w.padded_units;
    Reg sums[Rows][Vectors];
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const T* source = source_row(s, first + r) + 2 * units;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const std::int64_t u = unit + v * S::lanes;
        sums[r][v] = Units<S>(u, units).load(source + u) + S::load(w.bias + 2 * padded + u);
      }
    }
    multiply_rows<S>(units, s.scratch + Rows * padded, padded, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const std::int64_t u = unit + v * S::lanes;
        const Units<S> lanes(u, units);
        const Reg n = hyperbolic_tangent<S>(sums[r][v]);
        save(s, lanes, first + r, u, units, 2, n);
        new_state(s, lanes, first + r, u, S::load(s.scratch + r * padded + u), n);
      }
    }
  }

  static void forward_before(const StepWeights<T>& w, const ForwardStep<T>& s) {
    for_row_blocks<block_rows(kPanelVectors)>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      const T* packed = w.forward;
      for (std::int64_t u = 0; u < w.padded_units; u += S::lanes, packed += w.cell.units * 2 * S::lanes) {
        gates_before<kCount>(w, s, first, u, packed);
      }
      for_panels<S>(w.cell.units, w.padded_units, packed, [&](auto vectors, std::int64_t unit, const T* p) {
        candidate_before<kCount, decltype(vectors)::value>(w, s, first, unit, p);
      });
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    w.cell.reset_after ? forward_after(w, s) : forward_before(w, s);
  }

  // d_gates: z, n and, with the reset after the product, r and n * r. dh becomes dh * z.
  static SULSUL_INLINE void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s,
                                           std::int64_t row, std::int64_t u) {
    const std::int64_t units = w.cell.units;
    const Units<S> lanes(u, units);
    const Reg one = S::set(1);
    const T* saved = s.saved + row * s.saved_stride + u;
    const Reg z = lanes.load(saved);
    const Reg n = lanes.load(saved + 2 * units);
    const Reg h = lanes.load(s.h_previous + row * s.previous_stride + u);
    T* dh_state = s.dh + row * s.state_stride + u;
    Reg dh = S::load(dh_state);
    if (s.d_hidden) dh += lanes.load(s.d_hidden + row * s.d_hidden_stride + u);
    T* out = s.d_gates + row * s.d_gates_stride + u;
    const Reg dn = dh * (one - z) * S::fma(-n, n, one);
    lanes.store(out, dh * (h - n) * (z * (one - z)));
    lanes.store(out + 2 * units, dn);
    if (w.cell.reset_after) {
      const Reg reset = lanes.load(saved + units);
      lanes.store(out + units, dn * lanes.load(saved + 3 * units) * (reset * (one - reset)));
      lanes.store(out + 3 * units, dn * reset);
    }
    S::store(dh_state, dh * z);
  }

  static void backward_after(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks<block_rows(kPanelVectors)>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      for (std::int64_t u = 0; u < w.padded_units; u += S::lanes) {
        for (int r = 0; r < kCount; ++r) gate_gradients(w, s, first + r, u);
      }
      const T* d_gates = s.d_gates + first * s.d_gates_stride;
      for_panels<S>(3 * units, w.padded_units, w.backward,
                    [&](auto vectors, std::int64_t unit, const T* packed) {
                      constexpr int kVectors = decltype(vectors)::value;
                      Reg sums[kCount][kVectors] = {};
                      multiply_rows<S>(2 * units, d_gates, s.d_gates_stride, packed, sums);
                      multiply_rows<S>(units, d_gates + 3 * units, s.d_gates_stride,
                                       packed + 2 * units * kVectors * S::lanes, sums);
                      add_states<S>(s.dh + first * s.state_stride + unit, s.state_stride, sums);
                    });
    });
  }

  // d(r h) = dn U_h^T gives the reset gate's gradient, and d(r h) * r belongs to the state.
  template <int Rows, int Vectors>
  static SULSUL_INLINE void reset_gradients(const StepWeights<T>& w, const BackwardStep<T>& s,
                                            std::int64_t first, std::int64_t unit, const T* packed) {
    const std::int64_t units = w.cell.units;
    Reg sums[Rows][Vectors] = {};
    multiply_rows<S>(units, s.d_gates + first * s.d_gates_stride + 2 * units, s.d_gates_stride, packed, sums);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const std::int64_t row = first + r;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const std::int64_t u = unit + v * S::lanes;
        const Units<S> lanes(u, units);
        const Reg reset = lanes.load(s.saved + row * s.saved_stride + units + u);
        const Reg kept = lanes.load(s.saved + row * s.saved_stride + 3 * units + u);
        lanes.store(s.d_gates + row * s.d_gates_stride + units + u, sums[r][v] * kept * (S::set(1) - reset));
        T* dh_state = s.dh + row * s.state_stride + u;
        S::store(dh_state, S::fma(sums[r][v], reset, S::load(dh_state)));
      }
    }
  }

  static void backward_before(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units;
    for_row_blocks<block_rows(kPanelVectors)>(s.rows, [&](auto rows, std::int64_t first) {
      constexpr int kCount = decltype(rows)::value;
      for (std::int64_t u = 0; u < w.padded_units; u += S::lanes) {
        for (int r = 0; r < kCount; ++r) gate_gradients(w, s, first + r, u);
      }
      for_panels<S>(units, w.padded_units, w.backward, [&](auto vectors, std::int64_t unit, const T* packed) {
        reset_gradients<kCount, decltype(vectors)::value>(w, s, first, unit, packed);
      });
      const T* gate_panels = w.backward + units * w.padded_units;
      for_panels<S>(
          2 * units, w.padded_units, gate_panels, [&](auto vectors, std::int64_t unit, const T* packed) {
            Reg sums[kCount][decltype(vectors)::value] = {};
            multiply_rows<S>(2 * units, s.d_gates + first * s.d_gates_stride, s.d_gates_stride, packed, sums);
            add_states<S>(s.dh + first * s.state_stride + unit, s.state_stride, sums);
          });
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    w.cell.reset_after ? backward_after(w, s) : backward_before(w, s);
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
