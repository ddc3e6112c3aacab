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
  static_assert(kWaiting == kIdSquare, "a square's gradients are summed together");
  // A tile of that sum has so many columns: its registers are a half of all.
#if defined(SULSUL_ISA_AVX512)
  static constexpr int kTileUnits = 4;
#else
  static constexpr int kTileUnits = 2;
#endif

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

  // A square of timesteps in which all lanes have a token, looked up in a table: nothing to ask at each step.
  class FullSquare {
   public:
    // Whether the timesteps from t on in the block's direction are one.
    static SULSUL_INLINE bool begins(const NarrowBlock& b, std::int64_t t) {
      return t % kIdSquare == (b.reverse ? kIdSquare - 1 : 0) && is_full(b, t);
    }
    // The same against that direction.
    static SULSUL_INLINE bool ends(const NarrowBlock& b, std::int64_t t) {
      return t % kIdSquare == (b.reverse ? 0 : kIdSquare - 1) && is_full(b, t);
    }

    SULSUL_INLINE FullSquare(const NarrowBlock& b, std::int64_t t) {
      const std::int32_t* sources[kIdSquare];
      for (int i = 0; i < kIdSquare; ++i) sources[i] = b.tokens[i] + (t & ~(kIdSquare - 1));
      transpose_square<Width * sizeof(T)>(sources, offsets_);
    }

    template <class Row>
    SULSUL_INLINE void rows(int t, Row* table, Row* (&rows)[lanes]) const {
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        rows[i] = (Row*)((const char*)table + static_cast<std::uint32_t>(offsets_[t][i]));
      }
    }

   private:
    static SULSUL_INLINE bool is_full(const NarrowBlock& b, std::int64_t t) {
      const std::int64_t last = t | (kIdSquare - 1);
      return b.by_token && last < b.timesteps && b.batch_sizes[last] - b.first >= lanes;
    }

    alignas(64) std::int32_t offsets_[kIdSquare][kIdSquare];
  };

  // Keep: every state, for backward.
  template <bool Keep>
  static SULSUL_INLINE void forward_square(const NarrowWeights<T>& w, const FullSquare& square, bool reverse,
                                           const T* table, T* states, Reg (&state)[Width]) {
    Reg h[Width];
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) h[u] = state[u];
    const int step = reverse ? -1 : 1;
    for (int i = 0, t = reverse ? kIdSquare - 1 : 0; i < kIdSquare; ++i, t += step) {
      const T* rows[lanes];
      square.rows(t, table, rows);
      Reg x[Width];
      Columns::load(rows, x);
      add_product(h, w.recurrent, x);
      ScaledActivation<S, Relu>::apply(x);
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) h[u] = x[u];
      if constexpr (Keep) store(h, states + t * state_size);
    }
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) state[u] = h[u];
  }

  // A timestep of a block takes some 145 cycles forward and 150 backward (3.8 GHz); its operations keep the
  // two ports of the vector unit busy for 100 and 120 of them. Two blocks side by side, to fill the gaps that
  // the chain of dependent operations leaves, were not faster.
  static void forward(const NarrowWeights<T>& w, const NarrowBlock& b, const NarrowForward<T>& s) {
    const T missing[Width] = {};
    Places places(b);
    Reg h[Width] = {};
    for (std::int64_t i = 0; i < b.timesteps; ++i) {
      const std::int64_t t = b.reverse ? b.timesteps - 1 - i : i;
      if (lanes == kIdSquare && !s.hidden && FullSquare::begins(b, t)) {
        const FullSquare square(b, t);
        if (s.states) {
          T* states = s.states + (t & ~(kIdSquare - 1)) * state_size;
          forward_square<true>(w, square, b.reverse, s.source, states, h);
        } else {
          forward_square<false>(w, square, b.reverse, s.source, nullptr, h);
        }
        i += kIdSquare - 1;
        continue;
      }
      const T* rows[lanes];
      const std::int64_t n = places.template find<const T>(t, s.source, missing, rows);
      Reg x[Width];
      Columns::load(rows, x);
      add_product(h, w.recurrent, x);
      ScaledActivation<S, Relu>::apply(x);
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
      if (lanes == kIdSquare && !s.d_hidden && FullSquare::ends(b, t)) {
        add_outer_products(n_waiting, waiting, waiting_states, s.d_recurrent);
        n_waiting = 0;
        const FullSquare square(b, t);
        const std::int64_t first = t & ~(kIdSquare - 1), outside = b.reverse ? t + kIdSquare : t - kIdSquare;
        i -= kIdSquare - 1;
        backward_square(w, square, b.reverse, s.states + first * state_size,
                        i > 0 ? s.states + outside * state_size : zeros, s.d_source, waiting, waiting_states,
                        dh);
        add_outer_products(kWaiting, waiting, waiting_states, s.d_recurrent);
        continue;
      }
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

  // Gradients of a square, with what it adds to U's gradient. `before`: states of the timestep before the
  // last one of the square in backward's order.
  static SULSUL_INLINE void backward_square(const NarrowWeights<T>& w, const FullSquare& square, bool reverse,
                                            const T* states, const T* before, T* table, T* waiting,
                                            const T** waiting_states, Reg (&gradient)[Width]) {
    Reg dh[Width];
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) dh[u] = gradient[u];
    const int step = reverse ? 1 : -1;
    for (int i = 0, t = reverse ? 0 : kIdSquare - 1; i < kIdSquare; ++i, t += step) {
      T* rows[lanes];
      square.rows(t, table, rows);
      Reg h[Width], d[Width];
      load(states + t * state_size, h);
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) d[u] = times_slope<S, Relu>(dh[u], h[u]);
      store(d, waiting + i * state_size);
      waiting_states[i] = i + 1 < kIdSquare ? states + (t + step) * state_size : before;
#pragma GCC unroll 8
      for (int u = 0; u < Width; ++u) dh[u] = Reg{};
      add_product(d, w.transposed, dh);
      Columns::template store<true>(d, rows, lanes);
    }
#pragma GCC unroll 8
    for (int u = 0; u < Width; ++u) gradient[u] = dh[u];
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

  // sums[k][u] += states[k] * gradients[u] over n timesteps, a tile of sums at a time in registers: one of
  // four by four reads less than one of two by eight, 48 cycles a timestep instead of 60.
  static __attribute__((noinline)) void add_outer_products(int n, const T* gradients, const T* const* states,
                                                           T* sums) {
    for (int k = 0; k < Width; k += 4) {
      for (int u = 0; u < Width; u += kTileUnits) {
        add_outer_tile(n, gradients + u * lanes, states, k, sums + k * state_size + u * lanes);
      }
    }
  }

  static SULSUL_INLINE void add_outer_tile(int n, const T* gradients, const T* const* states, int first_k,
                                           T* sums) {
    Reg tile[4][kTileUnits];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
#pragma GCC unroll 4
      for (int u = 0; u < kTileUnits; ++u) tile[k][u] = S::load(sums + k * state_size + u * lanes);
    }
    for (int i = 0; i < n; ++i, gradients += state_size) {
      Reg h[4];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) h[k] = S::load(states[i] + (first_k + k) * lanes);
#pragma GCC unroll 4
      for (int u = 0; u < kTileUnits; ++u) {
        const Reg d = S::load(gradients + u * lanes);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) tile[k][u] = S::fma(h[k], d, tile[k][u]);
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
#pragma GCC unroll 4
      for (int u = 0; u < kTileUnits; ++u) S::store(sums + k * state_size + u * lanes, tile[k][u]);
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
  return {Simd<T>::lanes, kActivationScale<Simd<T>, false>, &forward<T>, &backward<T>};
}

}  // namespace

extern const NarrowKernels<float> kFloatNarrowKernels;
extern const NarrowKernels<double> kDoubleNarrowKernels;
const NarrowKernels<float> kFloatNarrowKernels = table<float>();
const NarrowKernels<double> kDoubleNarrowKernels = table<double>();

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
