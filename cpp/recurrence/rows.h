// Moving rows between packed order and the gapless order of a lane's chunk.
#pragma once

#include <algorithm>
#include <cstdint>

#include "recurrence/layer.h"
#include "recurrence/timeline.h"

namespace sulsul {

// Rows at a stride.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;

  T* at(std::int64_t row) const { return data + row * stride; }
};

// Calls f(row of the lane's chunk, packed row) for every row of timesteps [chunk.begin, chunk.end).
template <class F>
void for_chunk_rows(const Timeline& line, const std::int64_t* packed_offsets, const Chunk& chunk,
                    const F& f) {
  std::int64_t row = 0;
  for (std::int64_t t = chunk.begin; t < chunk.end; ++t) {
    const std::int64_t first = packed_offsets[t] + line.lane.first, rows = line.rows_at(t);
    for (std::int64_t i = 0; i < rows; ++i, ++row) f(row, first + i * line.lane.step);
  }
}

// The inputs of a chunk without gaps: where they lie, or copied to `buffer` (longest_chunk * size).
template <class T>
Rows<const T> chunk_inputs(const LayerInput<T>& input, const Timeline& line,
                           const std::int64_t* packed_offsets, const Chunk& chunk, T* buffer) {
  if (input.rows != nullptr && line.lane.step == 1) {
    return {input.rows + chunk.first_row * input.stride, input.stride};
  }
  for_chunk_rows(line, packed_offsets, chunk, [&](std::int64_t row, std::int64_t packed) {
    const T* source = input.rows ? input.rows + packed * input.stride
                                 : input.embedding + input.token_ids[packed] * input.size;
    std::copy(source, source + input.size, buffer + row * input.size);
  });
  return {buffer, input.size};
}

// Whether every sequence of the chunk had the step before it in the same place of its timestep: then the
// states before the steps are those after them, one timestep away.
inline bool continues_evenly(const Timeline& line, const Chunk& chunk, bool reverse) {
  const std::int64_t* sizes = line.batch.batch_sizes;
  if (line.lane.step != 1 || chunk.begin == chunk.end) return false;
  if (reverse ? chunk.end == line.batch.timesteps : chunk.begin == 0) return false;
  return sizes[reverse ? chunk.begin : chunk.begin - 1] == sizes[reverse ? chunk.end : chunk.end - 1];
}

// The state before every step of a chunk, without gaps. `states` are those after the steps, in packed order,
// and `initial` (B, H) or nullptr those before the first; copied to `buffer` (longest_chunk * H) unless they
// lie so.
template <class T>
Rows<const T> states_before(const Timeline& line, const std::int64_t* packed_offsets, const Chunk& chunk,
                            bool reverse, std::int64_t units, Rows<const T> states, const T* initial,
                            T* buffer) {
  const PackedShape& batch = line.batch;
  if (continues_evenly(line, chunk, reverse)) {
    const std::int64_t size = batch.batch_sizes[chunk.begin];
    return {states.at(chunk.first_row + (reverse ? size : -size)), states.stride};
  }
  T* out = buffer;
  for (std::int64_t t = chunk.begin; t < chunk.end; ++t) {
    const std::int64_t before = reverse ? t + 1 : t - 1;
    const bool exists = before >= 0 && before < batch.timesteps;
    const std::int64_t rows = line.rows_at(t);
    const std::int64_t continued = exists ? std::min(rows, line.rows_at(before)) : 0;
    std::int64_t i = 0;
    if (continued > 0) {
      const T* source = states.at(packed_offsets[before] + line.lane.first);
      for (; i < continued; ++i, out += units, source += line.lane.step * states.stride) {
        std::copy(source, source + units, out);
      }
    }
    for (; i < rows; ++i, out += units) {
      if (initial == nullptr) {
        std::fill(out, out + units, T(0));
      } else {
        const T* source = initial + (line.lane.first + i * line.lane.step) * units;
        std::copy(source, source + units, out);
      }
    }
  }
  return {buffer, units};
}

// The states of a lane's sequences as the steps keep them (rows of `padded`, zeros behind H), from (B, H) or
// zeros.
template <class T>
void load_states(const Timeline& line, std::int64_t units, std::int64_t padded, const T* initial, T* states) {
  std::fill(states, states + line.sequences() * padded, T(0));
  for (std::int64_t i = 0; initial != nullptr && i < line.sequences(); ++i) {
    const T* source = initial + (line.lane.first + i * line.lane.step) * units;
    std::copy(source, source + units, states + i * padded);
  }
}

template <class T>
void store_states(const Timeline& line, std::int64_t units, std::int64_t padded, const T* states, T* out) {
  for (std::int64_t i = 0; out != nullptr && i < line.sequences(); ++i) {
    std::copy(states + i * padded, states + i * padded + units,
              out + (line.lane.first + i * line.lane.step) * units);
  }
}

}  // namespace sulsul
