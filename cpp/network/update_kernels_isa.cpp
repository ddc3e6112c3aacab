// Compiled once for each instruction set. No operation is fused; reciprocals differ in the last bit between
// them.
#include "network/square_root.h"
#include "network/update_kernels.h"

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

// What a lane of the update needs; `first` and `second` are read and written only by the rules that have
// them.
template <class S>
struct Lanes {
  typename S::Reg value, gradient, first, second;
};

template <class T>
struct Sgd {
  static constexpr int states = 0;
  template <class S>
  static SULSUL_INLINE void update(const UpdateFactors<T>& f, Lanes<S>& l) {
    l.value -= S::set(f.learning_rate) * l.gradient;
  }
};

template <class T>
struct SgdMomentum {
  static constexpr int states = 1;
  template <class S>
  static SULSUL_INLINE void update(const UpdateFactors<T>& f, Lanes<S>& l) {
    l.first = S::set(f.first_decay) * l.first + l.gradient;
    l.value -= S::set(f.learning_rate) * l.first;
  }
};

template <class T>
struct RmsProp {
  static constexpr int states = 1;
  template <class S>
  static SULSUL_INLINE void update(const UpdateFactors<T>& f, Lanes<S>& l) {
    l.first = S::set(f.second_decay) * l.first + S::set(T(1) - f.second_decay) * l.gradient * l.gradient;
    l.value -= S::set(f.learning_rate) * l.gradient * reciprocal_square_root<S>(l.first + S::set(f.epsilon));
  }
};

template <class T>
struct Adam {
  static constexpr int states = 2;
  template <class S>
  static SULSUL_INLINE void update(const UpdateFactors<T>& f, Lanes<S>& l) {
    l.first += S::set(T(1) - f.first_decay) * (l.gradient - l.first);
    l.second = S::set(f.second_decay) * l.second + S::set(T(1) - f.second_decay) * l.gradient * l.gradient;
    l.value -= S::set(f.learning_rate) * l.first * S::reciprocal(square_root(l.second) + S::set(f.epsilon));
  }
};

static_assert(kUpdateBlock % Simd<float>::lanes == 0 && kUpdateBlock % Simd<double>::lanes == 0);

// `mask`: nothing, or which lanes.
template <class T, template <class> class Rule, class... Mask>
SULSUL_INLINE void update_lanes(const FlatParameters<T>& p, const UpdateFactors<T>& f, std::int64_t i,
                                Mask... mask) {
  using S = Simd<T>;
  Lanes<S> l;
  l.value = S::load(p.values + i, mask...);
  l.gradient = S::set(f.gradient_scale) * S::load(p.gradients + i, mask...) + S::set(f.decay) * l.value;
  l.value = S::set(f.shrink) * l.value;
  if constexpr (Rule<T>::states > 0) l.first = S::load(p.first + i, mask...);
  if constexpr (Rule<T>::states > 1) l.second = S::load(p.second + i, mask...);
  Rule<T>::template update<S>(f, l);
  S::store(p.values + i, l.value, mask...);
  if constexpr (Rule<T>::states > 0) S::store(p.first + i, l.first, mask...);
  if constexpr (Rule<T>::states > 1) S::store(p.second + i, l.second, mask...);
}

template <class T, template <class> class Rule>
void update(const FlatParameters<T>& p, const UpdateFactors<T>& f) {
  using S = Simd<T>;
  std::int64_t i = 0;
  for (; i + S::lanes <= p.size; i += S::lanes) update_lanes<T, Rule>(p, f, i);
  if (i < p.size) update_lanes<T, Rule>(p, f, i, S::first(p.size - i));
}

template <class T>
double sum_of_squares(std::int64_t n, const T* x) {
  constexpr int kSums = 16;
  double sums[kSums] = {}, total = 0;
  std::int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int j = 0; j < kSums; ++j) sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  }
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (int j = 0; j < kSums; ++j) total += sums[j];
  return total;
}

template <class T>
constexpr UpdateKernels<T> table() {
  return {&update<T, Sgd>, &update<T, SgdMomentum>, &update<T, RmsProp>, &update<T, Adam>,
          &sum_of_squares<T>};
}

}  // namespace

extern const UpdateKernels<float> kFloatUpdateKernels;
extern const UpdateKernels<double> kDoubleUpdateKernels;
const UpdateKernels<float> kFloatUpdateKernels = table<float>();
const UpdateKernels<double> kDoubleUpdateKernels = table<double>();

}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
