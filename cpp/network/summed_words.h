// Words that are sums of rows of an embedding: a word's own row and those of its character n-grams
// (Bojanowski et al. 2017, eq. 2).
#pragma once

#include <vector>

#include "network/input.h"

namespace sulsul {

// The words of a batch, as an embedding of their own that the layers look up.
//
// The embedding is many times larger than the caches, and the words of a batch share parts. Each of its rows
// is therefore read once, in the order of addresses, into a table of the batch's parts, and written once with
// its whole gradient.
template <class T>
class SummedWords {
 public:
  // Sums the parts of every word of the batch, in their order. The result lasts as long as the pass.
  Input<T>& sum(const Input<T>& input, const Pass& pass);
  Input<T>& words() { return words_; }

  // From now on the words have a gradient, in this scratch memory.
  void add_gradient(ScratchFrame& scratch);

  // From the words' gradient to that of the embedding, of which only rows that are or were parts are written.
  void scatter_gradient(Input<T>& input);

 private:
  void number_parts(const Input<T>& input, const PackedTexts& batch);
  void list_words_of_parts();
  const T* part_rows(const Input<T>& input, ScratchFrame& scratch) const;

  Parameter<T> table_;
  Input<T> words_;
  // Of the batch. Part i is row parts_[i] of the embedding; word w is the sum of the parts
  // parts_of_words_[word_starts_[w] … word_starts_[w + 1]), and the other way round.
  std::vector<std::int64_t> parts_, word_starts_, part_starts_;
  std::vector<std::int32_t> parts_of_words_, words_of_parts_;
  std::vector<std::int32_t> numbers_;  // of the embedding's rows, where they are parts
};

}  // namespace sulsul
