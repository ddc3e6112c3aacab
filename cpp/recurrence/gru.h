// GRU (Cho et al. 2014), gates z, r, h (new); the reset gate applied after the recurrent product, or before
// it.
#pragma once

#include "recurrence/pointwise.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, class Product>
struct Gru {
  using S = Simd<T>;
  using Reg = typename S::Reg;

  // What the functions below know about rows [first, first + rows) of a timestep.
  template <class Group>
  struct Place {
    const StepWeights<T>& w;
    const ForwardStep<T>& s;
    const Group& group;
    std::int64_t first;

    // x W + b, without the recurrent product.
    SULSUL_INLINE Reg input(int j, std::int64_t gate) const {
      const std::int64_t column = gate * w.cell.units + group.unit(j);
      return group.load(source_row(s, first + group.row(j)) + column) + group.load(w.bias + column);
    }
    SULSUL_INLINE void save(int j, std::int64_t gate, Reg value) const {
      if (!s.saved) return;
      T* row = s.saved + (first + group.row(j)) * s.saved_stride;
      group.store(row + gate * w.cell.units + group.unit(j), value, s.stream);
    }
    // h' = z h + (1 - z) n
    SULSUL_INLINE void store_state(int j, Reg z, Reg n) const {
      const std::int64_t row = first + group.row(j), u = group.unit(j);
      T* state = s.h + row * s.state_stride + u;
      const Reg h = S::fma(z, S::load(state) - n, n);
      S::store(state, h);
      if (s.hidden) group.store(s.hidden + row * s.hidden_stride + u, h);
    }
  };

  template <class Group>
  static SULSUL_INLINE Place<Group> place(const StepWeights<T>& w, const ForwardStep<T>& s,
                                          const Group& group, std::int64_t first) {
    return {w, s, group, first};
  }

  static void new_states_after(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                               std::int64_t rows) {
    const std::int64_t units = w.cell.units;
    const Matrix<const T> product{s.scratch, w.padded_columns};
    for_groups<S, 4>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      const auto at = place(w, s, group, first);
      Reg gates[2 * N], candidate[N], n[N];  // z and r of each vector
      SULSUL_EACH {
        const std::int64_t row = group.row(j), u = group.unit(j);
        gates[2 * j] = group.load(product.at(row, u)) + at.input(j, 0);
        gates[2 * j + 1] = group.load(product.at(row, units + u)) + at.input(j, 1);
        candidate[j] = group.load(product.at(row, 2 * units + u)) + group.load(w.bias + 3 * units + u);
      }
      logistic<S>(gates);
      SULSUL_EACH n[j] = S::fma(gates[2 * j + 1], candidate[j], at.input(j, 2));
      hyperbolic_tangent<S>(n);
      SULSUL_EACH {
        at.save(j, 0, gates[2 * j]);
        at.save(j, 1, gates[2 * j + 1]);
        at.save(j, 2, n[j]);
        at.save(j, 3, candidate[j]);
        at.store_state(j, gates[2 * j], n[j]);
      }
    });
  }

  static void forward_after(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t columns = w.cell.columns();
    for_row_blocks<Product>(s.rows, columns, [&](std::int64_t first, std::int64_t rows) {
      Product::multiply(rows, w.cell.units, s.h + first * s.state_stride, s.state_stride, w.forward, columns,
                        false, s.scratch, w.padded_columns);
      new_states_after(w, s, first, rows);
    });
  }

  // Reset before the product, first half: `product` holds h U for z and r; z takes its place, r * h goes to
  // `kept`.
  static void gates_before(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                           std::int64_t rows, Matrix<T> product, Matrix<T> kept) {
    const std::int64_t units = w.cell.units;
    for_groups<S, 4>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      const auto at = place(w, s, group, first);
      Reg gates[2 * N];  // z and r of each vector
      SULSUL_EACH {
        gates[2 * j] = group.load(product.at(group.row(j), group.unit(j))) + at.input(j, 0);
        gates[2 * j + 1] = group.load(product.at(group.row(j), units + group.unit(j))) + at.input(j, 1);
      }
      logistic<S>(gates);
      SULSUL_EACH {
        const std::int64_t row = group.row(j), u = group.unit(j);
        const Reg reset_state = gates[2 * j + 1] * S::load(s.h + (first + row) * s.state_stride + u);
        group.store(product.at(row, u), gates[2 * j]);
        S::store(kept.at(row, u), reset_state);
        at.save(j, 0, gates[2 * j]);
        at.save(j, 1, gates[2 * j + 1]);
        at.save(j, 3, reset_state);
      }
    });
  }

  // Second half: n = tanh(x W_h + b_h + (r * h) U_h).
  static void new_states_before(const StepWeights<T>& w, const ForwardStep<T>& s, std::int64_t first,
                                std::int64_t rows, Matrix<T> z, Matrix<T> product) {
    for_groups<S, 4>(rows, w.cell.units, [&](auto group) SULSUL_INLINE_LAMBDA {
      constexpr int N = decltype(group)::size;
      const auto at = place(w, s, group, first);
      Reg n[N];
      SULSUL_EACH n[j] = group.load(product.at(group.row(j), group.unit(j))) + at.input(j, 2);
      hyperbolic_tangent<S>(n);
      SULSUL_EACH {
        at.save(j, 2, n[j]);
        at.store_state(j, group.load(z.at(group.row(j), group.unit(j))), n[j]);
      }
    });
  }

  static void forward_before(const StepWeights<T>& w, const ForwardStep<T>& s) {
    const std::int64_t units = w.cell.units, padded = w.padded_units, width = w.padded_columns;
    const Matrix<T> gates{s.scratch, width}, kept{s.scratch + Product::kMostRows * width, padded};
    const Matrix<T> product{kept.data + Product::kMostRows * padded, padded};
    for_row_blocks<Product>(s.rows, 2 * units, [&](std::int64_t first, std::int64_t rows) {
      Product::multiply(rows, units, s.h + first * s.state_stride, s.state_stride, w.forward, 2 * units,
                        false, gates.data, width);
      gates_before(w, s, first, rows, gates, kept);
      Product::multiply(rows, units, kept.data, padded, w.forward_candidate, units, false, product.data,
                        padded);
      new_states_before(w, s, first, rows, gates, product);
    });
  }

  static void forward(const StepWeights<T>& w, const ForwardStep<T>& s) {
    w.cell.reset_after ? forward_after(w, s) : forward_before(w, s);
  }

  // d_gates: z, n and, with the reset after the product, r and n * r. dh becomes dh * z.
  static void gate_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t first,
                             std::int64_t rows) {
    const std::int64_t units = w.cell.units;
    const Reg one = S::set(1);
    for_groups<S, 1>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      const std::int64_t row = first + group.row(0), u = group.unit(0);
      const T* saved = s.saved + row * s.saved_stride + u;
      for (int gate = 0; gate < 4; ++gate) __builtin_prefetch(saved + s.next_saved + gate * units, 0, 2);
      const Reg z = group.load(saved);
      const Reg n = group.load(saved + 2 * units);
      const Reg h = group.load(s.h_previous + row * s.h_previous_stride + u);
      T* dh_state = s.dh + row * s.state_stride + u;
      Reg dh = S::load(dh_state);
      if (s.d_hidden) dh += group.load(s.d_hidden + row * s.d_hidden_stride + u);
      T* out = s.d_gates + row * s.d_gates_stride + u;
      const Reg dn = dh * (one - z) * S::fma(-n, n, one);
      group.store(out, dh * (h - n) * (z * (one - z)));
      group.store(out + 2 * units, dn);
      if (w.cell.reset_after) {
        const Reg r = group.load(saved + units);
        group.store(out + units, dn * group.load(saved + 3 * units) * (r * (one - r)));
        group.store(out + 3 * units, dn * r);
      }
      S::store(dh_state, dh * z);
    });
  }

  // Reset before the product: d(r h) = dn U_h^T gives the reset gate's gradient, and d(r h) * r belongs to
  // the state.
  static void reset_gradients(const StepWeights<T>& w, const BackwardStep<T>& s, std::int64_t first,
                              std::int64_t rows, Matrix<const T> product) {
    const std::int64_t units = w.cell.units;
    for_groups<S, 1>(rows, units, [&](auto group) SULSUL_INLINE_LAMBDA {
      const std::int64_t row = first + group.row(0), u = group.unit(0);
      const Reg r = group.load(s.saved + row * s.saved_stride + units + u);
      const Reg kept = group.load(s.saved + row * s.saved_stride + 3 * units + u);
      const Reg d_kept = group.load(product.at(group.row(0), u));
      group.store(s.d_gates + row * s.d_gates_stride + units + u, d_kept * kept * (S::set(1) - r));
      T* dh_state = s.dh + row * s.state_stride + u;
      S::store(dh_state, S::fma(d_kept, r, S::load(dh_state)));
    });
  }

  static void backward(const StepWeights<T>& w, const BackwardStep<T>& s) {
    const std::int64_t units = w.cell.units, padded = w.padded_units;
    for_row_blocks<Product>(s.rows, units, [&](std::int64_t first, std::int64_t rows) {
      gate_gradients(w, s, first, rows);
      const T* d_gates = s.d_gates + first * s.d_gates_stride;
      const auto multiply = [&](std::int64_t depth, std::int64_t column, const void* packed, bool add, T* out,
                                std::int64_t out_stride) {
        Product::multiply(rows, depth, d_gates + column, s.d_gates_stride, packed, units, add, out,
                          out_stride);
      };
      if (!w.cell.reset_after) {
        multiply(units, 2 * units, w.backward_candidate, false, s.scratch, padded);
        reset_gradients(w, s, first, rows, {s.scratch, padded});
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
