// Compiled once for each instruction set; sums of products differ in their last bits between them.
#include "documents/cosine_kernels.h"
#include "simd/vector.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

using S = Simd<float>;
constexpr std::int64_t kLanes = S::lanes;
static_assert(kVectorBlock % kLanes == 0);

SULSUL_INLINE float sum_of(S::Reg v) {
  float lanes[kLanes], sum = 0;
  S::store(lanes, v);
  for (float lane : lanes) sum += lane;
  return sum;
}

float dot(std::int64_t n, const float* a, const float* b) {
  S::Reg even = S::set(0), odd = S::set(0);
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    even = S::fma(S::load(a + i), S::load(b + i), even);
    odd = S::fma(S::load(a + i + kLanes), S::load(b + i + kLanes), odd);
  }
  for (; i < n; i += kLanes) even = S::fma(S::load(a + i), S::load(b + i), even);
  return sum_of(even + odd);
}

float pull(std::int64_t n, const float* document, float* ngram, float* change, float by_ngram,
           float by_document, float by_itself) {
  const S::Reg a = S::set(by_ngram), b = S::set(by_document), kept = S::set(1.0f - by_itself);
  S::Reg squares = S::set(0);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const S::Reg v = S::load(ngram + i), moved = S::fma(b, S::load(document + i), kept * v);
    S::store(change + i, S::fma(a, v, S::load(change + i)));
    squares = S::fma(moved, moved, squares);
    S::store(ngram + i, moved);
  }
  return sum_of(squares);
}

float apply(std::int64_t n, float* x, float factor, float* change) {
  const S::Reg a = S::set(factor), zero = S::set(0);
  S::Reg squares = zero;
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const S::Reg v = S::fma(a, S::load(x + i), S::load(change + i));
    squares = S::fma(v, v, squares);
    S::store(x + i, v);
    S::store(change + i, zero);
  }
  return sum_of(squares);
}

}  // namespace

extern const CosineKernels kCosineKernels;
const CosineKernels kCosineKernels{dot, pull, apply};

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
