// Which rows belong to which timestep, and how a batch is cut into chunks of timesteps and lanes of
// sequences.
#pragma once

#include <cstdint>

#include "recurrence/layer.h"
#include "runtime/workspace.h"

namespace sulsul {

// Rows a chunk should have: its inputs, gates and weights stay in the second-level cache (2 MB) while the
// product before the recurrence, the recurrence and the products after it pass over them. 256 and 384 rows
// make a backward 4 % slower, 512 rows 10 % (LSTM, 128 units, batch 64).
constexpr std::int64_t kChunkRows = 192;

// Every step-th sequence from `first` on. Lanes of equal step differ by at most one row at any timestep.
struct Lane {
  std::int64_t first = 0;
  std::int64_t step = 1;

  std::int64_t rows(std::int64_t batch_size) const {
    return batch_size > first ? (batch_size - first + step - 1) / step : 0;
  }
};

struct Chunk {
  std::int64_t begin = 0, end = 0;  // timesteps
  std::int64_t first_row = 0;       // of the lane
  std::int64_t rows = 0;
};

// The rows of one lane in packed order, numbered without gaps.
struct Timeline {
  PackedShape batch;
  Lane lane;
  const std::int64_t* offsets = nullptr;  // (T + 1): rows of the lane before timestep t
  const Chunk* chunks = nullptr;
  std::int64_t n_chunks = 0;
  std::int64_t longest_chunk = 0;  // rows

  std::int64_t rows() const { return offsets[batch.timesteps]; }
  std::int64_t rows_at(std::int64_t t) const { return offsets[t + 1] - offsets[t]; }
  std::int64_t sequences() const { return lane.rows(batch.sequences); }
};

// Lives in `scratch`.
Timeline make_timeline(const PackedShape& batch, Lane lane, ScratchFrame& scratch);

}  // namespace sulsul
