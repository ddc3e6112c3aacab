#include "network/summed_words.h"

#include <algorithm>
#include <utility>

#include "network/distinct_ids.h"
#include "network/prefetch.h"
#include "network/row_kernels.h"

namespace sulsul {
namespace {

constexpr std::int64_t kAhead = 8;  // rows between a fetch and the use

}  // namespace

template <class T>
void SummedWords<T>::number_parts(const Input<T>& input, const PackedTexts& batch) {
  const std::int64_t n = batch.n_types();
  DistinctIds distinct(input.vocabulary_size);
  word_starts_.resize(n + 1);
  word_starts_[0] = 0;
  for (std::int64_t w = 0; w < n; ++w) {
    distinct.add(batch.n_parts(w), batch.parts(w));
    word_starts_[w + 1] = word_starts_[w] + batch.n_parts(w);
  }
  parts_ = distinct.rising();
  numbers_.resize(input.vocabulary_size);
  for (std::size_t i = 0; i < parts_.size(); ++i) numbers_[parts_[i]] = static_cast<std::int32_t>(i);
  parts_of_words_.resize(word_starts_[n]);
  for (std::int64_t w = 0; w < n; ++w) {
    const std::int32_t* parts = batch.parts(w);
    std::int32_t* numbers = parts_of_words_.data() + word_starts_[w];
    std::transform(parts, parts + batch.n_parts(w), numbers, [&](std::int32_t id) { return numbers_[id]; });
  }
}

// A counting sort, so that the words of a part rise.
template <class T>
void SummedWords<T>::list_words_of_parts() {
  part_starts_.assign(parts_.size() + 1, 0);
  for (const std::int32_t part : parts_of_words_) ++part_starts_[part];
  std::int64_t end = 0;
  for (std::int64_t& start : part_starts_) start = std::exchange(end, end + start);
  words_of_parts_.resize(parts_of_words_.size());
  for (std::int64_t w = 0; w < words_.vocabulary_size; ++w) {
    for (std::int64_t i = word_starts_[w]; i < word_starts_[w + 1]; ++i) {
      words_of_parts_[part_starts_[parts_of_words_[i]]++] = static_cast<std::int32_t>(w);
    }
  }
  // Every start has moved to the next one.
  std::copy_backward(part_starts_.begin(), part_starts_.end() - 1, part_starts_.end());
  part_starts_[0] = 0;
}

template <class T>
const T* SummedWords<T>::part_rows(const Input<T>& input, ScratchFrame& scratch) const {
  const auto n = static_cast<std::int64_t>(parts_.size());
  const std::int64_t size = input.size;
  const T* table = input.embedding->values;
  T* rows = scratch.array<T>(n * size);
  for_row_ranges(n, n * size, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      if (i + kAhead < n) prefetch_row<false>(table + parts_[i + kAhead] * size, size);
      std::copy_n(table + parts_[i] * size, size, rows + i * size);
    }
  });
  return rows;
}

template <class T>
Input<T>& SummedWords<T>::sum(const Input<T>& input, const Pass& pass) {
  number_parts(input, pass.batch);
  const std::int64_t n = pass.batch.n_types(), size = input.size;
  T* sums = pass.scratch.array<T>(n * size);
  ScratchFrame scratch;
  const T* rows = part_rows(input, scratch);
  for_row_ranges(n, word_starts_[n] * size, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    for (std::int64_t w = first; w < end; ++w) {
      const std::int32_t* parts = parts_of_words_.data() + word_starts_[w];
      row_kernels<T>().sum_rows(word_starts_[w + 1] - word_starts_[w], parts, size, rows, sums + w * size);
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

template <class T>
void SummedWords<T>::scatter_gradient(Input<T>& input) {
  const auto n = static_cast<std::int64_t>(parts_.size());
  const std::int64_t size = input.size;
  T* gradient = input.embedding->gradient;
  list_words_of_parts();
  clear_gradient(input, parts_);
  for_row_ranges(n, word_starts_.back() * size, [&](std::int64_t, std::int64_t first, std::int64_t end) {
    for (std::int64_t i = first; i < end; ++i) {
      if (i + kAhead < n) prefetch_row<true>(gradient + parts_[i + kAhead] * size, size);
      const std::int32_t* words = words_of_parts_.data() + part_starts_[i];
      row_kernels<T>().sum_rows(part_starts_[i + 1] - part_starts_[i], words, size, table_.gradient,
                                gradient + parts_[i] * size);
    }
  });
}

template class SummedWords<float>;
template class SummedWords<double>;

}  // namespace sulsul
