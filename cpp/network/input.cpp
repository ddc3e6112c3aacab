#include "network/input.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "network/distinct_ids.h"
#include "network/sequence_layer.h"
#include "recurrence/step.h"

namespace sulsul {

template <class T>
void gather(const Input<T>& input, const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
            PackedTexts* batch) {
  if (input.kind == InputKind::raw_ids) {
    batch->gather_features(texts, rows, n_rows, input.size);
  } else if (input.kind == InputKind::summed) {
    batch->gather_types(texts, rows, n_rows, input.vocabulary_size);
  } else {
    batch->gather(texts, rows, n_rows, input.vocabulary_size);
  }
}

template <class T>
const T* embedded_rows(const Input<T>& input, const Pass& pass) {
  const std::int64_t n = pass.batch.rows(), size = input.size;
  const std::int64_t* token_ids = pass.batch.token_ids();
  const T* table = input.table();
  T* rows = pass.scratch.array<T>(n * size);
  for_row_ranges(n, n * size, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      const T* source = table + token_ids[i] * size;
      std::copy(source, source + size, rows + i * size);
    }
  });
  return rows;
}

template <class T>
SequenceInput<T> read_input(const Input<T>& input, const Pass& pass, bool as_rows) {
  if (input.kind == InputKind::raw_ids) {
    const std::int64_t n = pass.batch.rows() * input.size;
    const std::int64_t* token_ids = pass.batch.token_ids();
    T* features = pass.scratch.array<T>(n);
    for (std::int64_t i = 0; i < n; ++i) features[i] = static_cast<T>(token_ids[i]);
    return dense_rows<T>(features, input.size);
  }
  if (as_rows) return dense_rows<T>(embedded_rows(input, pass), input.size);
  SequenceInput<T> tokens;
  tokens.tokens = &input;
  tokens.size = input.size;
  return tokens;
}

namespace {

// The different words of a batch.
template <class T>
std::vector<std::int64_t> distinct(const Input<T>& input, const PackedTexts& batch) {
  DistinctIds ids(input.vocabulary_size);
  ids.add(batch.rows(), batch.token_ids());
  return ids.rising();
}

}  // namespace

template <class T>
void clear_gradient(Input<T>& input, const std::vector<std::int64_t>& rows) {
  const std::int64_t size = input.size;
  T* gradient = input.embedding->gradient;
  std::vector<std::int64_t> stale;
  if (std::exchange(input.all_written, false)) {
    std::fill(gradient, gradient + input.vocabulary_size * size, T(0));
  } else {
    std::set_difference(input.written_rows.begin(), input.written_rows.end(), rows.begin(), rows.end(),
                        std::back_inserter(stale));
  }
  for (const std::int64_t row : stale) std::fill_n(gradient + row * size, size, T(0));
  input.written_rows = rows;
}

// Columns are shared among threads, so that every sum runs over the rows in order.
template <class T>
void scatter_embedding_gradient(Input<T>& input, const Pass& pass, const T* d_rows) {
  constexpr std::int64_t kSlice = 32;
  const std::int64_t size = input.size, n = pass.batch.rows();
  const std::int64_t* token_ids = pass.batch.token_ids();
  clear_gradient(input, distinct(input, pass.batch));
  const bool parallel = n * size >= kSerialValues;
  parallel_for(parallel ? static_cast<int>((size + kSlice - 1) / kSlice) : 1, [&](int task) {
    const std::int64_t first = task * kSlice, width = parallel ? std::min(kSlice, size - first) : size;
    T* table = input.embedding->gradient + first;
    for (const std::int64_t row : input.written_rows) std::fill_n(table + row * size, width, T(0));
    step_kernels<T>().scatter_add(n, width, token_ids, d_rows + first, size, table, size);
  });
}

template <class T>
const std::vector<std::int64_t>& touched_rows(Input<T>& input, const PackedTexts& batch) {
  if (input.all_written) {
    input.written_rows = distinct(input, batch);
  }
  return input.written_rows;
}

#define SULSUL_INSTANTIATE(T)                                                                   \
  template void gather<T>(const Input<T>&, const TextTable&, const std::int64_t*, std::int64_t, \
                          PackedTexts*);                                                        \
  template const T* embedded_rows<T>(const Input<T>&, const Pass&);                             \
  template SequenceInput<T> read_input<T>(const Input<T>&, const Pass&, bool);                  \
  template void clear_gradient<T>(Input<T>&, const std::vector<std::int64_t>&);                 \
  template void scatter_embedding_gradient<T>(Input<T>&, const Pass&, const T*);                \
  template const std::vector<std::int64_t>& touched_rows<T>(Input<T>&, const PackedTexts&);
SULSUL_INSTANTIATE(float)
SULSUL_INSTANTIATE(double)

}  // namespace sulsul
