#include "network/dropout.h"

#include "network/row_kernels.h"

namespace sulsul {
namespace {

constexpr std::int64_t kTaskValues = 256 * kDropoutBlock;

// Below it a value is dropped; rate < 1.
std::uint32_t threshold(double rate) { return static_cast<std::uint32_t>(rate * 4294967296.0); }

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
const T* Dropout::forward(const Pass& pass, std::int64_t size, bool pooled, const T* x) {
  if (!pass.training) return x;
  const std::int64_t n = (pooled ? pass.batch.sequences() : pass.batch.rows()) * size;
  keep_ = pass.scratch.array<std::uint8_t>(n);
  T* out = pass.scratch.array<T>(n);
  if (pass.dropout.whole.places == nullptr) {
    draw(pass, n);
  } else {
    draw_part(pass, size, pooled);
  }
  apply(n, x, out);
  return out;
}

void Dropout::draw(const Pass& pass, std::int64_t n) {
  const std::uint32_t key[2] = {pass.dropout.seed, index_};
  for_value_ranges(n, [&](std::int64_t first, std::int64_t end) {
    row_kernels<float>().draw_kept(end - first, static_cast<std::uint64_t>(first), threshold(rate_), key,
                                   pass.dropout.step, keep_ + first);
  });
}

// The masks that the part's texts have in the whole batch, row by row: its rows lie apart there.
void Dropout::draw_part(const Pass& pass, std::int64_t size, bool pooled) {
  const PackedTexts& batch = pass.batch;
  const WholeBatch& whole = pass.dropout.whole;
  const auto draw_timestep = [&](std::int64_t t, std::int64_t n_sequences) {
    const std::int64_t before = pooled ? 0 : whole.offsets[t], first = pooled ? 0 : batch.offset(t);
    for (std::int64_t k = 0; k < n_sequences; ++k) {
      const std::int64_t row = before + whole.places[batch.position(k)];
      draw_row(pass.dropout, static_cast<std::uint64_t>(row * size), size, keep_ + (first + k) * size);
    }
  };
  if (pooled) return draw_timestep(0, batch.sequences());
  const auto n_timesteps = static_cast<int>(batch.timesteps());
  const auto draw_one = [&](int t) { draw_timestep(t, batch.batch_size(t)); };
  if (batch.rows() * size >= kSerialValues) return parallel_for(n_timesteps, draw_one);
  for (int t = 0; t < n_timesteps; ++t) draw_one(t);
}

// Values [first, first + size) of the stream, from whole blocks of it.
void Dropout::draw_row(const DropoutKey& dropout, std::uint64_t first, std::int64_t size,
                       std::uint8_t* keep) const {
  const std::uint32_t key[2] = {dropout.seed, index_};
  std::uint8_t block[kDropoutBlock];
  auto skipped = static_cast<std::int64_t>(first % kDropoutBlock);
  std::uint64_t start = first - static_cast<std::uint64_t>(skipped);
  for (std::int64_t done = 0; done < size; start += kDropoutBlock, skipped = 0) {
    row_kernels<float>().draw_kept(kDropoutBlock, start, threshold(rate_), key, dropout.step, block);
    const std::int64_t n = std::min(size - done, kDropoutBlock - skipped);
    std::copy(block + skipped, block + skipped + n, keep + done);
    done += n;
  }
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

template const float* Dropout::forward<float>(const Pass&, std::int64_t, bool, const float*);
template const double* Dropout::forward<double>(const Pass&, std::int64_t, bool, const double*);
template void Dropout::backward<float>(std::int64_t, const float*, float*) const;
template void Dropout::backward<double>(std::int64_t, const double*, double*) const;

}  // namespace sulsul
