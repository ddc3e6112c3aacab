// How the work of a layer is shared among threads. Bits of a result never depend on it.
#pragma once

#include <cstdint>

#include "recurrence/layer.h"

namespace sulsul {

// Whether the vocabulary's products are taken once and looked up, rather than those of every token.
template <class T>
bool folds_embedding(const LayerInput<T>& input, std::int64_t rows) {
  return input.embedding != nullptr && input.vocabulary_size <= rows;
}

struct Sharing {
  int lanes = 1;         // lanes of sequences for each direction
  bool parallel = true;  // false: everything on the calling thread
};

Sharing share_work(const Cell& cell, const PackedShape& batch, std::int64_t rows, std::int64_t input_size,
                   int directions);

}  // namespace sulsul
