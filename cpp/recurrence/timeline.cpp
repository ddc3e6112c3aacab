#include "recurrence/timeline.h"

#include <algorithm>

namespace sulsul {

Timeline make_timeline(const PackedShape& batch, Lane lane, ScratchFrame& scratch) {
  Timeline line;
  line.batch = batch;
  line.lane = lane;
  std::int64_t* offsets = scratch.array<std::int64_t>(batch.timesteps + 1);
  offsets[0] = 0;
  for (std::int64_t t = 0; t < batch.timesteps; ++t)
    offsets[t + 1] = offsets[t] + lane.rows(batch.batch_sizes[t]);
  line.offsets = offsets;
  const std::int64_t most_chunks = offsets[batch.timesteps] / kChunkRows + 1;
  Chunk* chunks = scratch.array<Chunk>(most_chunks);
  line.chunks = chunks;
  for (std::int64_t t = 0; t < batch.timesteps;) {
    Chunk chunk;
    chunk.begin = t;
    chunk.first_row = offsets[t];
    while (t < batch.timesteps && offsets[t] - chunk.first_row < kChunkRows) ++t;
    chunk.end = t;
    chunk.rows = offsets[t] - chunk.first_row;
    line.longest_chunk = std::max(line.longest_chunk, chunk.rows);
    chunks[line.n_chunks++] = chunk;
  }
  return line;
}

}  // namespace sulsul
