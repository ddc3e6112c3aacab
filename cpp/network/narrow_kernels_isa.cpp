// Compiled once for each instruction set.
#include "network/id_square.h"
#include "network/narrow_kernels.h"
#include "network/narrow_rows.h"
#include "simd/activations.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

template <class T, int Width, bool Relu>
struct Narrow {
  using S = Simd<T>;
  using Reg = typename S::Reg;
  using IntReg = typename S::IntReg;
  using Columns = RowColumns<T, Width>;
  static constexpr int lanes = S::lanes;
  static constexpr std::int64_t state_size = Width * lanes;

  // Timesteps whose gradients wait for their share in U's gradient, which is then summed with few loads and
  // stores.
  static constexpr int kWaiting = 16;

  static SULSUL_INLINE IntReg lane_numbers() {
    IntReg numbers;
    for (int i = 0; i < lanes; ++i) numbers[i] = i;
    return numbers;
  }

  static SULSUL_INLINE void load(const T* from, Reg (&to)[Width]) {
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) to[u] = S::load(from + u * lanes);
  }

  static SULSUL_INLINE void store(const Reg (&from)[Width], T* to) {
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) S::store(to + u * lanes, from[u]);
  }

  // What lanes without a row keep stays.
  static SULSUL_INLINE void take_active(std::int64_t n, const Reg (&from)[Width], Reg (&to)[Width]) {
    if (n == lanes) {
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) to[u] = from[u];
      return;
    }
    const auto active = lane_numbers() < static_cast<int>(n);
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) to[u] = active ? from[u] : to[u];
  }

  // to += from times a (Width, Width) matrix, one chain of multiply-adds per element.
  static SULSUL_INLINE void add_product(const Reg (&from)[Width], const T* matrix, Reg (&to)[Width]) {
#pragma GCC unroll 8
    for (int k = 0; k < Width; ++k) {
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) to[u] = S::fma(from[k], S::set(matrix[k * Width + u]), to[u]);
    }
  }

  // Where the steps find their rows. Tokens are arranged by timestep a square at a time.
  class Places {
   public:
    explicit SULSUL_INLINE Places(const NarrowBlock& block) : block_(block) {}

    // Rows of a timestep in `table`, one for each lane; those of lanes that have none are `missing`. Returns
    // how many have one.
    template <class Row>
    SULSUL_INLINE std::int64_t find(std::int64_t t, Row* table, Row* missing, Row* (&rows)[lanes]) {
      const std::int64_t left = block_.batch_sizes[t] - block_.first;
      if (!block_.by_token) return number(t, left, table, missing, rows);
      if (t / kIdSquare != square_) arrange(t / kIdSquare);
      const std::int32_t* ids = square_ids_[t % kIdSquare];
      if (left >= lanes) {
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) rows[i] = table + std::int64_t{ids[i]} * Width;
        return lanes;
      }
      for (int i = 0; i < lanes; ++i) rows[i] = i < left ? table + std::int64_t{ids[i]} * Width : missing;
      return left;
    }

    // The same for rows in packed order.
    template <class Row>
    SULSUL_INLINE std::int64_t number(std::int64_t t, std::int64_t left, Row* table, Row* missing,
                                      Row* (&rows)[lanes]) const {
      const std::int64_t row = block_.offsets[t] + block_.first;
      for (int i = 0; i < lanes; ++i) rows[i] = i < left ? table + (row + i) * Width : missing;
      return left < lanes ? left : lanes;
    }

   private:
    void arrange(std::int64_t square) {
      square_ = square;
      const std::int64_t first = square * kIdSquare, n = block_.sequences;
      if (lanes == kIdSquare && n == lanes && block_.lengths[n - 1] >= first + kIdSquare) {
        const std::int32_t* sources[kIdSquare];
        for (std::int64_t i = 0; i < kIdSquare; ++i) sources[i] = block_.tokens[i] + first;
        transpose_square(sources, square_ids_);
        return;
      }
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t t = first; t < first + kIdSquare && t < block_.lengths[i]; ++t) {
          square_ids_[t - first][i] = block_.tokens[i][t];
        }
      }
    }

    const NarrowBlock& block_;
    std::int64_t square_ = -1;
    alignas(64) std::int32_t square_ids_[kIdSquare][kIdSquare];
  };

  // Two blocks side by side, to fill the gaps that a step's chain of operations leaves, were not faster: the
  // activations alone keep the ports busy (30 of 40 ns a step without the lookup).
  static void forward(const NarrowWeights<T>& w, const NarrowBlock& b, const NarrowForward<T>& s) {
    const T missing[Width] = {};
    Places places(b);
    Reg h[Width] = {};
    for (std::int64_t i = 0; i < b.timesteps; ++i) {
      const std::int64_t t = b.reverse ? b.timesteps - 1 - i : i;
      const T* rows[lanes];
      const std::int64_t n = places.template find<const T>(t, s.source, missing, rows);
      Reg x[Width];
      Columns::load(rows, x);
      add_product(h, w.recurrent, x);
      activate<S, Relu>(x);
      take_active(n, x, h);
      if (s.states) store(h, s.states + t * state_size);
      if (s.hidden) store_hidden(b, s, t, n, h);
    }
    if (s.final) store(h, s.final);
  }

  static void store_hidden(const NarrowBlock& b, const NarrowForward<T>& s, std::int64_t t, std::int64_t n,
                           const Reg (&h)[Width]) {
    T* row = s.hidden + (b.offsets[t] + b.first) * s.hidden_stride;
    for (std::int64_t i = 0; i < n; ++i, row += s.hidden_stride) {
      for (std::int64_t u = 0; u < s.units; ++u) row[u] = h[u][i];
    }
  }

  static void backward(const NarrowWeights<T>& w, const NarrowBlock& b, const NarrowBackward<T>& s) {
    T missing[Width] = {};
    Places places(b);
    alignas(64) const T zeros[state_size] = {};
    alignas(64) T waiting[kWaiting * state_size];
    const T* waiting_states[kWaiting];
    int n_waiting = 0;
    Reg dh[Width] = {};
    if (s.d_final) load(s.d_final, dh);
    for (std::int64_t i = b.timesteps - 1; i >= 0; --i) {
      const std::int64_t t = b.reverse ? b.timesteps - 1 - i : i, before = b.reverse ? t + 1 : t - 1;
      T* rows[lanes];
      const std::int64_t n = places.template find<T>(t, s.d_source, missing, rows);
      if (s.d_hidden) add_rows(places, t, b.batch_sizes[t] - b.first, s.d_hidden, dh);
      Reg h[Width], slopes[Width], d[Width] = {}, next[Width] = {};
      load(s.states + t * state_size, h);
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) slopes[u] = times_slope<S, Relu>(dh[u], h[u]);
      take_active(n, slopes, d);
      if (b.by_token) {
        Columns::template store<true>(d, rows, n);
      } else {
        Columns::template store<false>(d, rows, n);
      }
      store(d, waiting + n_waiting * state_size);
      waiting_states[n_waiting++] = i > 0 ? s.states + before * state_size : zeros;
      if (n_waiting == kWaiting || i == 0) {
        add_outer_products(n_waiting, waiting, waiting_states, s.d_recurrent);
        n_waiting = 0;
      }
      add_product(d, w.transposed, next);
      take_active(n, next, dh);
    }
  }

  static SULSUL_INLINE void add_rows(const Places& places, std::int64_t t, std::int64_t left,
                                     const T* d_hidden, Reg (&dh)[Width]) {
    const T missing[Width] = {};
    const T* rows[lanes];
    places.template number<const T>(t, left, d_hidden, missing, rows);
    Reg d[Width];
    Columns::load(rows, d);
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) dh[u] += d[u];
  }

  // sums[k][u] += states[k] * gradients[u] over n timesteps, two k at a time in registers.
  static void add_outer_products(int n, const T* gradients, const T* const* states, T* sums) {
    for (int k = 0; k < Width; k += 2, sums += 2 * state_size) {
      Reg first[Width], second[Width];
      load(sums, first);
      load(sums + state_size, second);
      for (int i = 0; i < n; ++i) {
        const Reg a = S::load(states[i] + k * lanes), b = S::load(states[i] + (k + 1) * lanes);
#pragma GCC unroll 8
        for (int u = 0; u < Width; ++u) {
          const Reg d = S::load(gradients + i * state_size + u * lanes);
          first[u] = S::fma(a, d, first[u]);
          second[u] = S::fma(b, d, second[u]);
        }
      }
      store(first, sums);
      store(second, sums + state_size);
    }
  }
};

template <class T>
void forward(const NarrowWeights<T>& w, const NarrowBlock& b, const NarrowForward<T>& s) {
  if (w.width == 4) {
    w.relu ? Narrow<T, 4, true>::forward(w, b, s) : Narrow<T, 4, false>::forward(w, b, s);
  } else {
    w.relu ? Narrow<T, 8, true>::forward(w, b, s) : Narrow<T, 8, false>::forward(w, b, s);
  }
}

template <class T>
void backward(const NarrowWeights<T>& w, const NarrowBlock& b, const NarrowBackward<T>& s) {
  if (w.width == 4) {
    w.relu ? Narrow<T, 4, true>::backward(w, b, s) : Narrow<T, 4, false>::backward(w, b, s);
  } else {
    w.relu ? Narrow<T, 8, true>::backward(w, b, s) : Narrow<T, 8, false>::backward(w, b, s);
  }
}

template <class T>
constexpr NarrowKernels<T> table() {
  return {Simd<T>::lanes, &forward<T>, &backward<T>};
}

}  // namespace

extern const NarrowKernels<float> kFloatNarrowKernels;
extern const NarrowKernels<double> kDoubleNarrowKernels;
const NarrowKernels<float> kFloatNarrowKernels = table<float>();
const NarrowKernels<double> kDoubleNarrowKernels = table<double>();

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
