#include "network/dropout.h"

#include "network/row_kernels.h"

namespace sulsul {
namespace {

constexpr std::int64_t kTaskValues = 256 * kDropoutBlock;

template <class F>
void for_value_ranges(std::int64_t n, const F& f) {
  if (n < kSerialValues) return f(std::int64_t{0}, n);
  parallel_for(static_cast<int>((n + kTaskValues - 1) / kTaskValues), [&](int task) {
    const std::int64_t first = task * kTaskValues;
    f(first, std::min(n, first + kTaskValues));
  });
}

}  // namespace

template <class T>
const T* Dropout::forward(const Pass& pass, std::int64_t n, const T* x) {
  if (!pass.training) return x;
  keep_ = pass.scratch.array<std::uint8_t>(n);
  T* out = pass.scratch.array<T>(n);
  const auto threshold = static_cast<std::uint32_t>(rate_ * 4294967296.0);  // rate < 1
  const std::uint32_t key[2] = {pass.dropout.seed, index_};
  for_value_ranges(n, [&](std::int64_t first, std::int64_t end) {
    row_kernels<T>().draw_kept(end - first, static_cast<std::uint64_t>(first), threshold, key,
                               pass.dropout.step, keep_ + first);
  });
  apply(n, x, out);
  return out;
}

template <class T>
void Dropout::backward(std::int64_t n, const T* d_output, T* d_input) const {
  apply(n, d_output, d_input);
}

template <class T>
void Dropout::apply(std::int64_t n, const T* x, T* out) const {
  const T scale = static_cast<T>(1.0 / (1.0 - rate_));
  for_value_ranges(n, [&](std::int64_t first, std::int64_t end) {
    row_kernels<T>().keep_scaled(end - first, scale, keep_ + first, x + first, out + first);
  });
}

template const float* Dropout::forward<float>(const Pass&, std::int64_t, const float*);
template const double* Dropout::forward<double>(const Pass&, std::int64_t, const double*);
template void Dropout::backward<float>(std::int64_t, const float*, float*) const;
template void Dropout::backward<double>(std::int64_t, const double*, double*) const;

}  // namespace sulsul
