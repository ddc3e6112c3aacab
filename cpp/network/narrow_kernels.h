// A simple RNN of at most eight units, with the sequences in the lanes of a vector.
//
// A vector of units would be half empty. Here a vector holds one unit of as many sequences as it has lanes,
// and such a block of sequences goes through all its timesteps with its state in registers. Training step of
// 64 texts of 100 tokens, 8 units, one thread: see docs/kernels.md.
#pragma once

#include <cstdint>

namespace sulsul {

// Units are padded with zeros to a width of 4 or 8, and so are the rows they are read from and written to.
constexpr std::int64_t kNarrowUnits = 8;
constexpr std::int64_t kMostLanes = 16;

inline std::int64_t narrow_width(std::int64_t units) { return units <= 4 ? 4 : 8; }

template <class T>
struct NarrowWeights {
  std::int64_t width = 0;
  bool relu = false;
  T recurrent[kNarrowUnits * kNarrowUnits];   // U times NarrowKernels::scale, rows of `width`
  T transposed[kNarrowUnits * kNarrowUnits];  // U^T
};

// A block of sequences: packed sequences [first, first + at most a vector's lanes).
struct NarrowBlock {
  const std::int64_t* batch_sizes = nullptr;
  const std::int64_t* offsets = nullptr;  // rows before each timestep
  std::int64_t first = 0;
  std::int64_t sequences = 0;
  std::int64_t timesteps = 0;  // of the longest of them
  // Tokens and length of each, if a row of a table is looked up for a token; else the packed row's number is.
  const std::int32_t* tokens[kMostLanes] = {};
  std::int64_t lengths[kMostLanes] = {};
  bool by_token = false;
  bool reverse = false;
};

// Rows of `width`.
template <class T>
struct NarrowForward {
  const T* source = nullptr;  // x W + b times NarrowKernels::scale, by token or packed row
  T* states = nullptr;        // (timesteps, width, lanes) for backward, or nullptr: not wanted
  T* hidden = nullptr;        // by packed row at a stride, `units` of each; or nullptr: not wanted
  std::int64_t hidden_stride = 0;
  std::int64_t units = 0;
  T* final = nullptr;  // (width, lanes)
};

template <class T>
struct NarrowBackward {
  const T* states = nullptr;
  const T* d_hidden = nullptr;  // by packed row, or nullptr: zeros
  const T* d_final = nullptr;   // (width, lanes), or nullptr: zeros
  T* d_source = nullptr;        // by token: added to; by packed row: overwritten
  T* d_recurrent = nullptr;     // (width, width, lanes), added to: summed over the lanes it is U's gradient
};

template <class T>
struct NarrowKernels {
  std::int64_t lanes;
  T tanh_scale;  // what the activation wants its argument multiplied by; relu: 1
  void (*forward)(const NarrowWeights<T>&, const NarrowBlock&, const NarrowForward<T>&);
  void (*backward)(const NarrowWeights<T>&, const NarrowBlock&, const NarrowBackward<T>&);
};

// For the active instruction set.
template <class T>
const NarrowKernels<T>& narrow_kernels();

}  // namespace sulsul
