// Words that are sums of rows of an embedding: a word's own row and those of its character n-grams
// (Bojanowski et al. 2017, eq. 2).
#pragma once

#include "network/input.h"

namespace sulsul {

// The words of a batch, as an embedding of their own that the layers look up.
template <class T>
class SummedWords {
 public:
  // Sums the parts of every word of the batch, in their order. The result lasts as long as the pass.
  Input<T>& sum(const Input<T>& input, const Pass& pass);
  Input<T>& words() { return words_; }

  // From now on the words have a gradient, in this scratch memory.
  void add_gradient(ScratchFrame& scratch);

  // From the words' gradient to that of the embedding. Only rows that are or were parts of a word are
  // written.
  void scatter_gradient(Input<T>& input, const PackedTexts& batch) const;

 private:
  Parameter<T> table_;
  Input<T> words_;
};

}  // namespace sulsul
