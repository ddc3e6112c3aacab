// What the first layer of a network reads: tokens, embedded rows, or the token ids themselves.
#pragma once

#include "network/parameter.h"
#include "network/pass.h"
#include "recurrence/layer.h"

namespace sulsul {

enum class InputKind { one_hot, embedding, raw_ids };

template <class T>
struct Input {
  InputKind kind = InputKind::embedding;
  std::int64_t vocabulary_size = 0;
  std::int64_t size = 0;              // features per timestep; one-hot: vocabulary_size
  Parameter<T>* embedding = nullptr;  // (vocabulary_size, size)
};

// Packs the texts as the input needs them; see PackedTexts.
template <class T>
void gather(const Input<T>& input, const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
            PackedTexts* batch);

// The packed batch as a layer's input. `as_rows`: embedded rows instead of tokens, for a layer that looks
// nothing up.
template <class T>
LayerInput<T> read_input(const Input<T>& input, const Pass& pass, bool as_rows);

// Gradient of the embedding from that of its rows (N, size).
template <class T>
void scatter_embedding_gradient(const Input<T>& input, const Pass& pass, const T* d_rows);

}  // namespace sulsul
