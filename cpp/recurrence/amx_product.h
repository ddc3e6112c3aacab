// How a step multiplies on AMX: bfloat16 tiles, float sums.
//
// Not the general product, because most timesteps of a batch of real texts have few rows. The tiles are
// configured for the rows there are: a tile multiplication takes 16 cycles for 16 rows but 10 for 8 or fewer,
// and results are stored in place. Tile registers are not renamed: one cannot be cleared or loaded before the
// multiplications that use it are done (50 cycles), so neighbouring columns take different ones. A step of an
// LSTM with 64 units and one row: 1.0 µs forward and 1.5 µs backward with the general product, 0.8 and 0.9 µs
// so (0.5 and 0.8 µs on the vector unit, which is ahead up to 3 rows; but a text must not have other results
// alone than in a batch).
#pragma once

#include <cstddef>

#include "matmul/amx_split.h"

namespace sulsul::amx {
namespace {

// GCC's own intrinsics take a register's number as a literal only.
template <int Tile>
SULSUL_INLINE void clear_tile() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
}
template <int Tile>
SULSUL_INLINE void load_tile(const void* p, std::int64_t stride_bytes) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride_bytes), "i"(Tile) : "memory");
}
template <int Tile>
SULSUL_INLINE void store_tile(void* p, std::int64_t stride_bytes) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride_bytes), "i"(Tile) : "memory");
}
// sums += left right
template <int Sums, int Left, int Right>
SULSUL_INLINE void multiply_tiles() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(Left), "i"(Right));
}

// Left tiles hold `rows` rows (at most 32) in two tiles of each kind, right tiles 16 pairs.
class RowTiles {
 public:
  explicit SULSUL_INLINE RowTiles(std::int64_t rows) {
    struct alignas(64) {
      unsigned char palette = 1;
      unsigned char start_row = 0;
      unsigned char reserved[14] = {};
      unsigned short bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      unsigned char rows[16] = {};
    } configuration;
    static_assert(sizeof configuration == 64);
    const bool two = rows > kTileRows;
    const auto first = static_cast<unsigned char>(two ? kTileRows : rows);
    const auto second = static_cast<unsigned char>(two ? rows - kTileRows : rows);
    for (int i = 0; i < 6; ++i) configuration.rows[i] = i % 2 == 0 ? first : second;
    configuration.rows[6] = configuration.rows[7] = kTileRows;
    _tile_loadconfig(&configuration);
  }
  SULSUL_INLINE ~RowTiles() { _tile_release(); }
  RowTiles(const RowTiles&) = delete;
  RowTiles& operator=(const RowTiles&) = delete;
};

template <bool Split>
struct AmxProduct {
  static constexpr std::int64_t kMostRows = 2 * kTileRows;
  static constexpr bool kEvenBlocks = false;
  static constexpr std::int64_t kSlab = 128;  // depth that rows are converted for at a time
  // For each 32 of the depth. Left: hi of the first 16 rows, hi of the others, lo, lo. Right: hi, lo of 16
  // columns.
  static constexpr std::int64_t kLeftStep = (Split ? 4 : 2) * kTileHalves;
  static constexpr std::int64_t kRightStep = (Split ? 2 : 1) * kTileHalves;

  static SULSUL_INLINE std::int64_t block_rows(std::int64_t) { return kMostRows; }
  static SULSUL_INLINE std::int64_t steps_of(std::int64_t depth) {
    return (depth + kTileDepth - 1) / kTileDepth;
  }
  static SULSUL_INLINE std::int64_t tiles_of(std::int64_t columns) {
    return (columns + kTileRows - 1) / kTileRows;
  }

  static std::size_t packed_size(std::int64_t depth, std::int64_t columns) {
    return static_cast<std::size_t>(steps_of(depth) * tiles_of(columns) * kRightStep) * sizeof(Half);
  }

  static void pack(std::int64_t depth, std::int64_t columns, const float* b, std::int64_t b_stride,
                   bool transposed, void* packed) {
    Half* tile = static_cast<Half*>(packed);
    for (std::int64_t j = 0; j < columns; j += kTileRows) {
      for (std::int64_t k = 0; k < depth; k += kTileDepth, tile += kRightStep) {
        if (transposed) {
          rows_to_tile<Split, true>(columns - j, depth - k, b + j * b_stride + k, b_stride, tile,
                                    tile + kTileHalves);
        } else {
          pairs_to_tile<Split, false>(depth - k, columns - j, b + k * b_stride + j, b_stride, tile,
                                      tile + kTileHalves);
        }
      }
    }
  }

  static void convert_rows(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t a_stride,
                           Half* left) {
    for (std::int64_t k = 0; k < depth; k += kTileDepth, left += kLeftStep) {
      const __mmask16 even = first_lanes(depth - k), odd = first_lanes(depth - k - 16);
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* x = a + r * a_stride + k;
        Half* hi = left + r * 32;  // the second tile follows the first
        store_pairs<Split>(_mm512_maskz_loadu_ps(even, x), _mm512_maskz_loadu_ps(odd, x + 16), 0, hi,
                           hi + 2 * kTileHalves);
      }
    }
  }

  // What a pass over the columns reads and writes.
  struct Pass {
    std::int64_t rows, steps;
    const Half* left;
    std::int64_t right_tile;  // from one tile of columns to the next
    bool from_out;
    std::int64_t out_stride;

    SULSUL_INLINE std::int64_t out_bytes() const {
      return out_stride * static_cast<std::int64_t>(sizeof(float));
    }
  };

  template <int Tile>
  static SULSUL_INLINE void start_sums(const Pass& pass, const float* out) {
    if (pass.from_out) {
      load_tile<Tile>(out, pass.out_bytes());
    } else {
      clear_tile<Tile>();
    }
  }

  // Every element is summed as lo hi + hi hi + hi lo, step after step, in both of the following.

  // One step of column tile Column and those after it, at most 16 rows. Right tiles alternate between two
  // registers, so that one is loaded while the other is multiplied.
  template <int Columns, int Column = 0>
  static SULSUL_INLINE void multiply_high(const Half* right, std::int64_t right_tile) {
    constexpr int kRight = 6 + Column % 2;
    load_tile<kRight>(right, 64);
    if (Split) multiply_tiles<Column, 5, kRight>();
    multiply_tiles<Column, 4, kRight>();
    if constexpr (Column + 1 < Columns) multiply_high<Columns, Column + 1>(right + right_tile, right_tile);
  }
  template <int Columns, int Column = 0>
  static SULSUL_INLINE void multiply_low(const Half* right, std::int64_t right_tile) {
    constexpr int kRight = 6 + (Columns + Column) % 2;
    load_tile<kRight>(right + kTileHalves, 64);
    multiply_tiles<Column, 4, kRight>();
    if constexpr (Column + 1 < Columns) multiply_low<Columns, Column + 1>(right + right_tile, right_tile);
  }
  template <int Columns, int Column = 0>
  static SULSUL_INLINE void start_columns(const Pass& pass, const float* out) {
    start_sums<Column>(pass, out + Column * kTileRows);
    if constexpr (Column + 1 < Columns) start_columns<Columns, Column + 1>(pass, out);
  }
  template <int Columns, int Column = 0>
  static SULSUL_INLINE void store_columns(const Pass& pass, float* out) {
    store_tile<Column>(out + Column * kTileRows, pass.out_bytes());
    if constexpr (Column + 1 < Columns) store_columns<Columns, Column + 1>(pass, out);
  }

  // At most 16 rows, up to four tiles of columns.
  template <int Columns>
  static void run_short(const Pass& pass, const Half* right, float* out) {
    const Half* left = pass.left;
    start_columns<Columns>(pass, out);
    for (std::int64_t s = 0; s < pass.steps; ++s, left += kLeftStep, right += kRightStep) {
      load_tile<4>(left, 64);
      if (Split) load_tile<5>(left + 2 * kTileHalves, 64);
      multiply_high<Columns>(right, pass.right_tile);
      if (Split) multiply_low<Columns>(right, pass.right_tile);
    }
    store_columns<Columns>(pass, out);
  }

  // 17 to 32 rows, one tile of columns, in tile registers First and First + 1.
  template <int First>
  static SULSUL_INLINE void run_tall(const Pass& pass, const Half* right, float* out) {
    const Half* left = pass.left;
    float* lower = out + kTileRows * pass.out_stride;
    start_sums<First>(pass, out);
    start_sums<First + 1>(pass, lower);
    for (std::int64_t s = 0; s < pass.steps; ++s, left += kLeftStep, right += kRightStep) {
      load_tile<6>(right, 64);
      if (Split) {
        load_tile<4>(left + 2 * kTileHalves, 64);
        load_tile<5>(left + 3 * kTileHalves, 64);
        multiply_tiles<First, 4, 6>();
        multiply_tiles<First + 1, 5, 6>();
      }
      load_tile<4>(left, 64);
      load_tile<5>(left + kTileHalves, 64);
      multiply_tiles<First, 4, 6>();
      multiply_tiles<First + 1, 5, 6>();
      if (Split) {
        load_tile<7>(right + kTileHalves, 64);
        multiply_tiles<First, 4, 7>();
        multiply_tiles<First + 1, 5, 7>();
      }
    }
    store_tile<First>(out, pass.out_bytes());
    store_tile<First + 1>(lower, pass.out_bytes());
  }

  static void run_pass(const Pass& pass, std::int64_t tiles, const Half* right, float* out) {
    if (pass.rows > kTileRows) {
      for (std::int64_t j = 0; j < tiles; ++j, right += pass.right_tile, out += kTileRows) {
        j % 2 == 0 ? run_tall<0>(pass, right, out) : run_tall<2>(pass, right, out);
      }
      return;
    }
    for (; tiles > 0; tiles -= 4, right += 4 * pass.right_tile, out += 4 * kTileRows) {
      switch (tiles) {
        case 1:
          run_short<1>(pass, right, out);
          break;
        case 2:
          run_short<2>(pass, right, out);
          break;
        case 3:
          run_short<3>(pass, right, out);
          break;
        default:
          run_short<4>(pass, right, out);
      }
    }
  }

  // out(rows, columns) = or += a(rows, depth) times weights packed by pack(). `out` has room for whole tiles'
  // columns.
  static void multiply(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t a_stride,
                       const void* packed, std::int64_t columns, bool add, float* out,
                       std::int64_t out_stride) {
    alignas(64) Half left[kSlab / kTileDepth * kLeftStep];
    const RowTiles tiles(rows);
    for (std::int64_t k = 0; k < depth; k += kSlab) {
      const std::int64_t slab = depth - k < kSlab ? depth - k : kSlab;
      convert_rows(rows, slab, a + k, a_stride, left);
      const Pass pass{rows, steps_of(slab), left, steps_of(depth) * kRightStep, add || k > 0, out_stride};
      run_pass(pass, tiles_of(columns), static_cast<const Half*>(packed) + k / kTileDepth * kRightStep, out);
    }
  }
};

}  // namespace
}  // namespace sulsul::amx
