// Matrix products on AMX: float factors as bfloat16 tiles, sums in float.
//
// A block of C is 2×2 tiles (32×32); the other four tile registers hold two tiles of A and two of B. For each
// 32 of the depth the three products take 12 tile multiplications (192 cycles) for 8 tile loads (64 cycles).
//
// Converting the next strip between the tile multiplications of this one was tried and brought nothing,
// though the instructions overlap: tile multiplications take port 5, which leaves the vector code one port,
// and the strip being written pushes the strips being read out of the first-level cache.
#include "matmul/amx_split.h"
#include "matmul/kernels.h"
#include "runtime/amx_tiles.h"
#include "runtime/workspace.h"

namespace sulsul::amx {
namespace {

constexpr std::int64_t kBlock = 2 * kTileRows;  // rows and columns of a block of C
// Depth that A is converted for at a time: its strip of 32 rows (16 KB) and the strip of B streaming past
// share the first-level cache. With 64 every block of C is loaded and stored twice as often, with 256 strips
// evict each other: both a tenth slower.
constexpr std::int64_t kSlab = 128;
// The same for multiply_tn, where every part of the depth costs a pass over C (128: a fifth slower).
constexpr std::int64_t kTokens = 256;

SULSUL_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
SULSUL_INLINE std::int64_t tiles_of(std::int64_t size, std::int64_t tile) { return (size + tile - 1) / tile; }

// A strip is what one block of C reads of a factor: for each 32 of the depth the tiles hi 0, hi 1, (lo 0, lo
// 1).
template <bool Split>
constexpr std::int64_t kStripStep = (Split ? 4 : 2) * kTileHalves;

// A strip of kTokens.
template <bool Split>
constexpr std::int64_t kTokenStrip = kTokens / kTileDepth * kStripStep<Split>;

// GCC's tile loads do not say that they read memory.
SULSUL_INLINE void finish_stores() { __asm__ volatile("" ::: "memory"); }

template <bool Split, int Rows, int Columns>
SULSUL_INLINE void multiply_tiles(std::int64_t steps, const Half* a, const Half* b) {
  constexpr std::int64_t kLow = 2 * kTileHalves;
  for (std::int64_t s = 0; s < steps; ++s, a += kStripStep<Split>, b += kStripStep<Split>) {
    _tile_loadd(6, b, 64);
    if (Columns > 1) _tile_loadd(7, b + kTileHalves, 64);
    if (Split) {
      _tile_loadd(4, a + kLow, 64);
      if (Rows > 1) _tile_loadd(5, a + kLow + kTileHalves, 64);
      _tile_dpbf16ps(0, 4, 6);
      if (Columns > 1) _tile_dpbf16ps(1, 4, 7);
      if (Rows > 1) _tile_dpbf16ps(2, 5, 6);
      if (Rows > 1 && Columns > 1) _tile_dpbf16ps(3, 5, 7);
    }
    _tile_loadd(4, a, 64);
    if (Rows > 1) _tile_loadd(5, a + kTileHalves, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (Columns > 1) _tile_dpbf16ps(1, 4, 7);
    if (Rows > 1) _tile_dpbf16ps(2, 5, 6);
    if (Rows > 1 && Columns > 1) _tile_dpbf16ps(3, 5, 7);
    if (Split) {
      _tile_loadd(6, b + kLow, 64);
      if (Columns > 1) _tile_loadd(7, b + kLow + kTileHalves, 64);
      _tile_dpbf16ps(0, 4, 6);
      if (Columns > 1) _tile_dpbf16ps(1, 4, 7);
      if (Rows > 1) _tile_dpbf16ps(2, 5, 6);
      if (Rows > 1 && Columns > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
}

// One block of C = base + A B over `steps` of the depth, all four tiles whole. base == nullptr: zeros.
template <bool Split, int Rows, int Columns>
SULSUL_INLINE void run_block(std::int64_t steps, const Half* a, const Half* b, const float* base,
                             std::int64_t base_stride, float* c, std::int64_t c_stride) {
  const std::int64_t base_bytes = base_stride * 4, c_bytes = c_stride * 4;
  if (base == nullptr) {
    _tile_zero(0);
    if (Columns > 1) _tile_zero(1);
    if (Rows > 1) _tile_zero(2);
    if (Rows > 1 && Columns > 1) _tile_zero(3);
  } else {
    _tile_loadd(0, base, base_bytes);
    if (Columns > 1) _tile_loadd(1, base + 16, base_bytes);
    if (Rows > 1) _tile_loadd(2, base + 16 * base_stride, base_bytes);
    if (Rows > 1 && Columns > 1) _tile_loadd(3, base + 16 * base_stride + 16, base_bytes);
  }
  multiply_tiles<Split, Rows, Columns>(steps, a, b);
  _tile_stored(0, c, c_bytes);
  if (Columns > 1) _tile_stored(1, c + 16, c_bytes);
  if (Rows > 1) _tile_stored(2, c + 16 * c_stride, c_bytes);
  if (Rows > 1 && Columns > 1) _tile_stored(3, c + 16 * c_stride + 16, c_bytes);
}

template <bool Split>
SULSUL_INLINE void run_block_of(bool two_rows, bool two_columns, std::int64_t steps, const Half* a,
                                const Half* b, const float* base, std::int64_t base_stride, float* c,
                                std::int64_t c_stride) {
  if (two_rows && two_columns) return run_block<Split, 2, 2>(steps, a, b, base, base_stride, c, c_stride);
  if (two_rows) return run_block<Split, 2, 1>(steps, a, b, base, base_stride, c, c_stride);
  if (two_columns) return run_block<Split, 1, 2>(steps, a, b, base, base_stride, c, c_stride);
  run_block<Split, 1, 1>(steps, a, b, base, base_stride, c, c_stride);
}

SULSUL_INLINE void copy_block(std::int64_t rows, std::int64_t columns, const float* from,
                              std::int64_t from_stride, float* to, std::int64_t to_stride) {
  const __mmask16 mask0 = first_lanes(columns), mask1 = first_lanes(columns - 16);
  for (std::int64_t i = 0; i < rows; ++i, from += from_stride, to += to_stride) {
    _mm512_mask_storeu_ps(to, mask0, _mm512_maskz_loadu_ps(mask0, from));
    _mm512_mask_storeu_ps(to + 16, mask1, _mm512_maskz_loadu_ps(mask1, from + 16));
  }
}

// A block of `rows` × `columns` (at most 32 each). What does not fill its tiles takes the way over a whole
// block in scratch memory: the arithmetic of an element is the same.
template <bool Split>
SULSUL_INLINE void run_any_block(std::int64_t rows, std::int64_t columns, std::int64_t steps, const Half* a,
                                 const Half* b, const float* base, std::int64_t base_stride, float* c,
                                 std::int64_t c_stride, float* scratch) {
  const bool two_rows = rows > 16, two_columns = columns > 16;
  if (rows % 16 == 0 && columns % 16 == 0) {
    run_block_of<Split>(two_rows, two_columns, steps, a, b, base, base_stride, c, c_stride);
    return;
  }
  if (base != nullptr) {
    copy_block(rows, columns, base, base_stride, scratch, kBlock);
    finish_stores();
    base = scratch;
  }
  run_block_of<Split>(two_rows, two_columns, steps, a, b, base, kBlock, scratch, kBlock);
  copy_block(rows, columns, scratch, kBlock, c, c_stride);
}

// ---- factors to strips ----

// Rows [0, rows) of x, `depth` wide, to a strip. Transposed: a strip of the right factor x^T.
template <bool Split, bool Transposed>
void rows_to_strip(std::int64_t rows, std::int64_t depth, const float* x, std::int64_t stride, Half* strip) {
  for (std::int64_t p = 0; p < depth; p += kTileDepth, strip += kStripStep<Split>) {
    for (std::int64_t i = 0; i < rows; i += kTileRows) {
      Half* tile = strip + i / kTileRows * kTileHalves;
      rows_to_tile<Split, Transposed>(rows - i, depth - p, x + i * stride + p, stride, tile,
                                      tile + 2 * kTileHalves);
    }
  }
}

// Columns [0, columns) of x, `depth` long, to a strip. Transposed: a strip of the left factor x^T.
template <bool Split, bool Transposed>
void columns_to_strip(std::int64_t columns, std::int64_t depth, const float* x, std::int64_t stride,
                      Half* strip) {
  for (std::int64_t p = 0; p < depth; p += kTileDepth, strip += kStripStep<Split>) {
    for (std::int64_t j = 0; j < columns; j += kTileRows) {
      Half* tile = strip + j / kTileRows * kTileHalves;
      pairs_to_tile<Split, Transposed>(depth - p, columns - j, x + p * stride + j, stride, tile,
                                       tile + 2 * kTileHalves);
    }
  }
}

// Packed B: strips of 32 columns, whole depth each.
template <bool Split>
std::size_t packed_size(std::int64_t k, std::int64_t n) {
  return static_cast<std::size_t>(tiles_of(k, kTileDepth) * tiles_of(n, kBlock) * kStripStep<Split>) *
         sizeof(Half);
}

template <bool Split>
void pack(std::int64_t k, std::int64_t n, const float* b, std::int64_t b_stride, bool transposed,
          void* packed) {
  Half* strip = static_cast<Half*>(packed);
  for (std::int64_t j = 0; j < n; j += kBlock, strip += tiles_of(k, kTileDepth) * kStripStep<Split>) {
    const std::int64_t columns = smaller(kBlock, n - j);
    if (transposed) {
      rows_to_strip<Split, true>(columns, k, b + j * b_stride, b_stride, strip);
    } else {
      columns_to_strip<Split, false>(columns, k, b + j, b_stride, strip);
    }
  }
}

// ---- the products ----

// C(rows ≤ 32, n) = base + A B for one strip of A and the strips of B, which are `b_strip` halves apart.
template <bool Split>
void run_strip(std::int64_t rows, std::int64_t n, std::int64_t steps, const Half* a, const Half* b,
               std::int64_t b_strip, const float* base, std::int64_t base_stride, float* c,
               std::int64_t c_stride) {
  alignas(64) float scratch[kBlock * kBlock];
  for (std::int64_t j = 0; j < n; j += kBlock, b += b_strip) {
    run_any_block<Split>(rows, smaller(kBlock, n - j), steps, a, b, base ? base + j : nullptr, base_stride,
                         c + j, c_stride, scratch);
  }
}

template <bool Split>
void multiply(std::int64_t m, std::int64_t k, std::int64_t n, const float* a, std::int64_t a_stride,
              const void* packed, const float* bias, bool accumulate, float* c, std::int64_t c_stride) {
  const TileScope tiles;
  alignas(64) Half strip[kSlab / kTileDepth * kStripStep<Split>];
  const std::int64_t b_strip = tiles_of(k, kTileDepth) * kStripStep<Split>;
  for (std::int64_t i = 0; i < m; i += kBlock) {
    const std::int64_t rows = smaller(kBlock, m - i);
    float* c_rows = c + i * c_stride;
    for (std::int64_t p = 0; p < k; p += kSlab) {
      const std::int64_t depth = smaller(kSlab, k - p);
      rows_to_strip<Split, false>(rows, depth, a + i * a_stride + p, a_stride, strip);
      finish_stores();
      const Half* b = static_cast<const Half*>(packed) + p / kTileDepth * kStripStep<Split>;
      const bool from_c = p > 0 || accumulate;
      run_strip<Split>(rows, n, tiles_of(depth, kTileDepth), strip, b, b_strip, from_c ? c_rows : bias,
                       from_c ? c_stride : 0, c_rows, c_stride);
    }
  }
}

// The strips of all left factors for one part of the depth.
template <bool Split>
void left_strips(const LeftFactor<float>* factors, int n_factors, std::int64_t p, std::int64_t depth,
                 Half* strip) {
  for (const LeftFactor<float>* f = factors; f < factors + n_factors; ++f) {
    for (std::int64_t i = 0; i < f->m; i += kBlock, strip += kTokenStrip<Split>) {
      columns_to_strip<Split, true>(smaller(kBlock, f->m - i), depth, f->a + p * f->a_stride + i, f->a_stride,
                                    strip);
    }
  }
}

// The left strips are made once for kTokens of the depth and kept in the second-level cache; those of B one
// after the other, each just before its use.
template <bool Split>
void multiply_tn(const LeftFactor<float>* factors, int n_factors, std::int64_t n, std::int64_t k,
                 const float* b, std::int64_t b_stride, bool accumulate) {
  const TileScope tiles;
  alignas(64) float block[kBlock * kBlock];
  std::int64_t n_strips = 0;
  for (int f = 0; f < n_factors; ++f) n_strips += tiles_of(factors[f].m, kBlock);
  ScratchFrame scratch;
  Half* left = scratch.array<Half>(n_strips * kTokenStrip<Split>);
  Half* right = scratch.array<Half>(kTokenStrip<Split>);
  for (std::int64_t p = 0; p < k; p += kTokens) {
    const std::int64_t depth = smaller(kTokens, k - p), steps = tiles_of(depth, kTileDepth);
    left_strips<Split>(factors, n_factors, p, depth, left);
    for (std::int64_t j = 0; j < n; j += kBlock) {
      columns_to_strip<Split, false>(smaller(kBlock, n - j), depth, b + p * b_stride + j, b_stride, right);
      finish_stores();
      const Half* a = left;
      for (const LeftFactor<float>* f = factors; f < factors + n_factors; ++f) {
        for (std::int64_t i = 0; i < f->m; i += kBlock, a += kTokenStrip<Split>) {
          float* c = f->c + i * f->c_stride + j;
          run_any_block<Split>(smaller(kBlock, f->m - i), smaller(kBlock, n - j), steps, a, right,
                               p > 0 || accumulate ? c : nullptr, f->c_stride, c, f->c_stride, block);
        }
      }
    }
  }
}

}  // namespace

const MatmulKernels<float> kSplitKernels{packed_size<true>, pack<true>, multiply<true>, multiply_tn<true>};
const MatmulKernels<float> kBf16Kernels{packed_size<false>, pack<false>, multiply<false>, multiply_tn<false>};

}  // namespace sulsul::amx
