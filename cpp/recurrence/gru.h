// GRU (Cho et al. 2014), gates z, r, h (new); the reset gate applied after the recurrent product, or before it.
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T>
struct Gru {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  template <class Lanes>
  static SULSUL_INLINE void save(const ForwardStep<T>& s, const Lanes& lanes, std::int64_t row, std::int64_t column,
                                 Reg value) {
    if (s.saved) lanes.store(s.saved + row * s.saved_stride + column, value);
  }

  // h' = z h + (1 - z) n
  template <class Lanes>
  static SULSUL_INLINE void store_state(const ForwardStep<T>& s, const Lanes& lanes, std::int64_t row,
                                        std::int64_t u, Reg z, Reg n) {
    T* state = s.h + row * s.state_stride + u;
    const Reg h = S::fma(z, S::load(state) - n, n);
    S::store(state, h);
    if (s.hidden) lanes.store(s.hidden + row * s.hidden_stride + u, h);
  }

  static SULSUL_INLINE void new_state_after(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t row,
                                            const T* product) {
    const std::int64_t units = w.cell.units;
    const T* source = source_row(s, row);
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const auto input = [&](std::int64_t column) { return lanes.load(source + column) + lanes.load(w.bias + column); };
      const Reg z = logistic<S>(lanes.load(product + u) + input(u));
      const Reg r = logistic<S>(lanes.load(product + units + u) + input(units + u));
      const Reg candidate = lanes.load(product + 2 * units + u) + lanes.load(w.bias + 3 * units + u);
      const Reg n = hyperbolic_tangent<S>(S::fma(r, candidate, input(2 * units + u)));
      save(s, lanes, row, u, z);
      save(s, lanes, row, units + u, r);
      save(s, lanes, row, 2 * units + u, n);
      save(s, lanes, row, 3 * units + u, candidate);
      store_state(s, lanes, row, u, z, n);
    });
  }

  static void forward_after(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t columns = w.cell.columns(), width = w.padded_columns;
    for_row_blocks(s.rows, block_rows<T>(columns), [&](std::int64_t first, std::int64_t rows) {
      multiply_rows(rows, w.cell.units, s.h + first * s.state_stride, s.state_stride, w.forward, columns, false,
                    s.scratch, width);
      for (std::int64_t r = 0; r < rows; ++r) new_state_after(w, s, first + r, s.scratch + r * width);
    });
  }

  // Reset before the product, first half: `product` holds h U for z and r; z stays there, r * h goes to `kept`.
  static SULSUL_INLINE void gates_before(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t row,
                                         T* product, T* kept) {
    const std::int64_t units = w.cell.units;
    const T* source = source_row(s, row);
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const auto sum = [&](std::int64_t column) {
        return lanes.load(product + column) + (lanes.load(source + column) + lanes.load(w.bias + column));
      };
      const Reg z = logistic<S>(sum(u));
      const Reg r = logistic<S>(sum(units + u));
      const Reg reset_state = r * S::load(s.h + row * s.state_stride + u);
      lanes.store(product + u, z);
      S::store(kept + u, reset_state);
      save(s, lanes, row, u, z);
      save(s, lanes, row, units + u, r);
      save(s, lanes, row, 3 * units + u, reset_state);
    });
  }

  // Second half: n = tanh(x W_h + b_h + (r * h) U_h).
  static SULSUL_INLINE void new_state_before(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t row,
                                             const T* z, const T* product) {
    const std::int64_t units = w.cell.units;
    const T* source = source_row(s, row) + 2 * units;
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const Reg input = lanes.load(source + u) + lanes.load(w.bias + 2 * units + u);
      const Reg n = hyperbolic_tangent<S>(lanes.load(product + u) + input);
      save(s, lanes, row, 2 * units + u, n);
      store_state(s, lanes, row, u, lanes.load(z + u), n);
    });
  }

  static void forward_before(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t units = w.cell.units, padded = w.padded_units, width = w.padded_columns;
    T* kept = s.scratch + kScratchRows * width;
    T* product = kept + kScratchRows * padded;
    for_row_blocks(s.rows, block_rows<T>(2 * units), [&](std::int64_t first, std::int64_t rows) {
      multiply_rows(rows, units, s.h + first * s.state_stride, s.state_stride, w.forward, 2 * units, false, s.scratch,
                    width);
      for (std::int64_t r = 0; r < rows; ++r) gates_before(w, s, first + r, s.scratch + r * width, kept + r * padded);
      multiply_rows(rows, units, kept, padded, w.forward_candidate, units, false, product, padded);
      for (std::int64_t r = 0; r < rows; ++r) {
        new_state_before(w, s, first + r, s.scratch + r * width, product + r * padded);
      }
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    w.cell.reset_after ? forward_after(w, s) : forward_before(w, s);
  }

  // d_gates: z, n and, with the reset after the product, r and n * r. dh becomes dh * z.
  static SULSUL_INLINE void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t row) {
    const std::int64_t units = w.cell.units;
    const Reg one = S::set(1);
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
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
        const Reg r = lanes.load(saved + units);
        lanes.store(out + units, dn * lanes.load(saved + 3 * units) * (r * (one - r)));
        lanes.store(out + 3 * units, dn * r);
      }
      S::store(dh_state, dh * z);
    });
  }

  // Reset before the product: d(r h) = dn U_h^T gives the reset gate's gradient, and d(r h) * r belongs to the state.
  static SULSUL_INLINE void reset_gradient(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t row,
                                           const T* product) {
    const std::int64_t units = w.cell.units;
    for_units<S>(units, [&](const auto& lanes, std::int64_t u) {
      const Reg r = lanes.load(s.saved + row * s.saved_stride + units + u);
      const Reg kept = lanes.load(s.saved + row * s.saved_stride + 3 * units + u);
      const Reg d_kept = lanes.load(product + u);
      lanes.store(s.d_gates + row * s.d_gates_stride + units + u, d_kept * kept * (S::set(1) - r));
      T* dh_state = s.dh + row * s.state_stride + u;
      S::store(dh_state, S::fma(d_kept, r, S::load(dh_state)));
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units, padded = w.padded_units;
    for_row_blocks(s.rows, block_rows<T>(units), [&](std::int64_t first, std::int64_t rows) {
      for (std::int64_t r = 0; r < rows; ++r) gate_gradients(w, s, first + r);
      const T* d_gates = s.d_gates + first * s.d_gates_stride;
      const auto multiply = [&](std::int64_t depth, std::int64_t column, const T* packed, bool add, T* out,
                                std::int64_t out_stride) {
        multiply_rows(rows, depth, d_gates + column, s.d_gates_stride, packed, units, add, out, out_stride);
      };
      if (!w.cell.reset_after) {
        multiply(units, 2 * units, w.backward_candidate, false, s.scratch, padded);
        for (std::int64_t r = 0; r < rows; ++r) reset_gradient(w, s, first + r, s.scratch + r * padded);
      }
      T* dh = s.dh + first * s.state_stride;
      multiply(2 * units, 0, w.backward, true, dh, s.state_stride);
      if (w.cell.reset_after) multiply(units, 3 * units, w.backward_candidate, true, dh, s.state_stride);
    });
  }
};

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
