// The arithmetic of one document vector and one n-gram vector, per instruction set.
#pragma once

#include <cstdint>

namespace sulsul {

// The elements of a vector are a multiple of it.
constexpr std::int64_t kVectorBlock = 16;

struct CosineKernels {
  float (*dot)(std::int64_t n, const float* a, const float* b);
  // change += by_ngram ngram; ngram += by_document document - by_itself ngram, with the ngram as it was.
  // Returns the new sum of squares of ngram: one kept by arithmetic drifts, and then the vectors run away.
  float (*pull)(std::int64_t n, const float* document, float* ngram, float* change, float by_ngram,
                float by_document, float by_itself);
  // x = factor x + change, change = 0; returns the new sum of squares of x.
  float (*apply)(std::int64_t n, float* x, float factor, float* change);
};

// For the active instruction set.
const CosineKernels& cosine_kernels();

}  // namespace sulsul
