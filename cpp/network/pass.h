// What every part of a network is given when a batch passes through it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "matmul/matmul.h"
#include "network/packed_texts.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace sulsul {

// Where the texts of a part of a batch stand in the whole, so that every part draws the masks of the whole.
struct WholeBatch {
  const std::int64_t* places =
      nullptr;  // by position among the part's rows: the packed sequence of the whole
  const std::int64_t* offsets = nullptr;  // of the whole: packed rows before timestep t
  std::int64_t n_timesteps = 0;           // of the offsets
};

// Dropout masks are a function of this, of the layer and of the place in its output alone.
struct DropoutKey {
  std::uint32_t seed = 0;
  std::uint64_t step = 0;
  WholeBatch whole = {};  // without places: the pass is the whole batch
};

struct Pass {
  const PackedTexts& batch;
  ScratchFrame& scratch;  // for what must last until the pass is over
  bool training = false;  // dropout, statistics of the batch, and what backward needs is kept
  DropoutKey dropout;
  Precision precision = Precision::float32;
};

// Values below which waking a second thread costs more than it brings (a few microseconds).
constexpr std::int64_t kSerialValues = std::int64_t{1} << 16;

// Calls f(first, end) for ranges of packed sequences that together are [0, n). Ranges may run on different
// threads, so nothing may be summed across them.
template <class F>
void for_sequence_ranges(std::int64_t n, std::int64_t values, const F& f) {
  constexpr std::int64_t kRange = 8;
  if (values < kSerialValues) return f(std::int64_t{0}, n);
  parallel_for(static_cast<int>((n + kRange - 1) / kRange),
               [&](int task) { f(task * kRange, std::min(n, (task + 1) * kRange)); });
}

// The same over the packed rows, in ranges of kRowRange.
constexpr std::int64_t kRowRange = 256;

inline std::int64_t row_ranges(std::int64_t rows) { return (rows + kRowRange - 1) / kRowRange; }

template <class F>
void for_row_ranges(std::int64_t rows, std::int64_t values, const F& f) {
  const auto run = [&](std::int64_t range) {
    f(range, range * kRowRange, std::min(rows, (range + 1) * kRowRange));
  };
  const std::int64_t n = row_ranges(rows);
  if (values < kSerialValues) {
    for (std::int64_t range = 0; range < n; ++range) run(range);
  } else {
    parallel_for(static_cast<int>(n), [&](int task) { run(task); });
  }
}

}  // namespace sulsul
