// What the first layer of a network reads: tokens, embedded rows, or the token ids themselves.
#pragma once

#include <vector>

#include "network/parameter.h"
#include "network/pass.h"

namespace sulsul {

enum class InputKind { one_hot, embedding, summed, raw_ids };  // summed: see SummedWords

template <class T>
struct Input {
  InputKind kind = InputKind::embedding;
  std::int64_t vocabulary_size = 0;
  std::int64_t size = 0;              // features per timestep; one-hot: vocabulary_size
  Parameter<T>* embedding = nullptr;  // (vocabulary_size, size)

  // Rows of the embedding's gradient that may be other than zero, rising; where all were written, all may.
  std::vector<std::int64_t> written_rows;
  bool all_written = true;

  const T* table() const { return embedding ? embedding->values : nullptr; }
};

// Packs the texts as the input needs them; see PackedTexts.
template <class T>
void gather(const Input<T>& input, const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
            PackedTexts* batch);

// The embedded tokens (N, size), which last as long as the pass.
template <class T>
const T* embedded_rows(const Input<T>& input, const Pass& pass);

// Clears the rows of the embedding's gradient that the batch before has written and this one will not
// overwrite. `rows`: those it will overwrite, rising.
template <class T>
void clear_gradient(Input<T>& input, const std::vector<std::int64_t>& rows);

// Gradient of the embedding from that of its rows (N, size). Only what was and what is written is touched: of
// 20,000 rows a batch of texts has perhaps 3,000.
template <class T>
void scatter_embedding_gradient(Input<T>& input, const Pass& pass, const T* d_rows);

// The rows of the embedding that the batch of the last backward reads, rising.
template <class T>
const std::vector<std::int64_t>& touched_rows(Input<T>& input, const PackedTexts& batch);

}  // namespace sulsul
