#include "network/summed_words.h"

#include "network/distinct_ids.h"
#include "network/row_kernels.h"

namespace sulsul {

template <class T>
Input<T>& SummedWords<T>::sum(const Input<T>& input, const Pass& pass) {
  const PackedTexts& batch = pass.batch;
  const std::int64_t n = batch.n_types(), size = input.size;
  T* sums = pass.scratch.array<T>(n * size);
  for_row_ranges(n, batch.n_parts() * size, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      row_kernels<T>().sum_rows(batch.n_parts(i), batch.parts(i), size, input.embedding->values,
                                sums + i * size);
    }
  });
  table_.shape = {n, size};
  table_.values = sums;
  table_.gradient = nullptr;
  words_.vocabulary_size = n;
  words_.size = size;
  words_.embedding = &table_;
  words_.all_written = true;
  return words_;
}

template <class T>
void SummedWords<T>::add_gradient(ScratchFrame& scratch) {
  table_.gradient = scratch.array<T>(table_.size());
}

// Columns are shared among threads, so that every sum runs over the words in order.
template <class T>
void SummedWords<T>::scatter_gradient(Input<T>& input, const PackedTexts& batch) const {
  const std::int64_t n = batch.n_types(), size = input.size;
  DistinctIds parts(input.vocabulary_size);
  for (std::int64_t i = 0; i < n; ++i) parts.add(batch.n_parts(i), batch.parts(i));
  GradientWriter<T> writer(input, parts.take());
  writer.for_columns(batch.n_parts() * size, [&](std::int64_t first, std::int64_t width) {
    for (std::int64_t i = 0; i < n; ++i) {
      row_kernels<T>().add_to_rows(batch.n_parts(i), batch.parts(i), width,
                                   table_.gradient + i * size + first, input.embedding->gradient + first,
                                   size);
    }
  });
}

template class SummedWords<float>;
template class SummedWords<double>;

}  // namespace sulsul
