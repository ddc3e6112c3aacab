#include "network/pooling.h"

#include <algorithm>
#include <cmath>

#include "network/row_kernels.h"

namespace sulsul {
namespace {

// Calls f(packed sequence, packed row) for the sequences [first, end), timestep after timestep.
template <class F>
void for_rows(const PackedTexts& batch, std::int64_t first, std::int64_t end, const F& f) {
  for (std::int64_t t = 0; t < batch.timesteps() && batch.batch_size(t) > first; ++t) {
    const std::int64_t stop = std::min(end, batch.batch_size(t)), offset = batch.offset(t);
    for (std::int64_t k = first; k < stop; ++k) f(k, offset + k);
  }
}

template <class T>
class LastPooling final : public Pooling<T> {
 public:
  LastPooling(std::int64_t size, std::int64_t n_backward) : size_(size), n_forward_(size - n_backward) {}

  void forward(const Pass& pass, const T* rows, T* pooled) override {
    const PackedTexts& batch = pass.batch;
    for (std::int64_t k = 0; k < batch.sequences(); ++k, pooled += size_) {
      std::fill(pooled, pooled + size_, T(0));
      if (k >= batch.nonempty()) continue;
      const T* last = rows + last_row(batch, k) * size_;
      std::copy(last, last + n_forward_, pooled);
      std::copy(rows + k * size_ + n_forward_, rows + (k + 1) * size_, pooled + n_forward_);
    }
  }

  void backward(const Pass& pass, const T*, const T* d_pooled, T* d_rows) override {
    const PackedTexts& batch = pass.batch;
    std::fill(d_rows, d_rows + batch.rows() * size_, T(0));
    for (std::int64_t k = 0; k < batch.nonempty(); ++k, d_pooled += size_) {
      std::copy(d_pooled, d_pooled + n_forward_, d_rows + last_row(batch, k) * size_);
      std::copy(d_pooled + n_forward_, d_pooled + size_, d_rows + k * size_ + n_forward_);
    }
  }

 private:
  static std::int64_t last_row(const PackedTexts& batch, std::int64_t k) {
    return batch.offset(batch.length(k) - 1) + k;
  }

  const std::int64_t size_, n_forward_;
};

template <class T>
class MeanPooling final : public Pooling<T> {
 public:
  explicit MeanPooling(std::int64_t size) : size_(size) {}

  void forward(const Pass& pass, const T* rows, T* pooled) override {
    const PackedTexts& batch = pass.batch;
    std::fill(pooled, pooled + batch.sequences() * size_, T(0));
    for_sequence_ranges(batch.sequences(), batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        row_kernels<T>().add_scaled(size_, T(1), rows + row * size_, pooled + k * size_);
      });
      for (std::int64_t i = first * size_; i < end * size_; ++i) pooled[i] /= length(batch, i / size_);
    });
  }

  void backward(const Pass& pass, const T*, const T* d_pooled, T* d_rows) override {
    const PackedTexts& batch = pass.batch;
    ScratchFrame scratch;
    T* shares = scratch.array<T>(batch.sequences() * size_);
    for (std::int64_t i = 0; i < batch.sequences() * size_; ++i)
      shares[i] = d_pooled[i] / length(batch, i / size_);
    for_sequence_ranges(batch.sequences(), batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        std::copy(shares + k * size_, shares + (k + 1) * size_, d_rows + row * size_);
      });
    });
  }

 private:
  static T length(const PackedTexts& batch, std::int64_t k) {
    return static_cast<T>(std::max<std::int64_t>(1, batch.length(k)));
  }

  const std::int64_t size_;
};

template <class T>
class MaxPooling final : public Pooling<T> {
 public:
  explicit MaxPooling(std::int64_t size) : size_(size) {}

  void forward(const Pass& pass, const T* rows, T* pooled) override {
    const PackedTexts& batch = pass.batch;
    const std::int64_t n = batch.nonempty() * size_;
    largest_ = pooled;
    counts_ = pass.scratch.array<T>(batch.sequences() * size_);
    std::copy(rows, rows + n, pooled);
    std::fill(pooled + n, pooled + batch.sequences() * size_, T(0));
    std::fill(counts_, counts_ + n, T(1));
    for_sequence_ranges(batch.nonempty(), batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t t = 1; t < batch.timesteps() && batch.batch_size(t) > first; ++t) {
        const std::int64_t width = (std::min(end, batch.batch_size(t)) - first) * size_;
        row_kernels<T>().update_largest(width, rows + (batch.offset(t) + first) * size_,
                                        pooled + first * size_, counts_ + first * size_);
      }
    });
  }

  void backward(const Pass& pass, const T* rows, const T* d_pooled, T* d_rows) override {
    const PackedTexts& batch = pass.batch;
    ScratchFrame scratch;
    T* shares = scratch.array<T>(batch.nonempty() * size_);
    for (std::int64_t i = 0; i < batch.nonempty() * size_; ++i) shares[i] = d_pooled[i] / counts_[i];
    for_sequence_ranges(batch.nonempty(), batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t t = 0; t < batch.timesteps() && batch.batch_size(t) > first; ++t) {
        const std::int64_t width = (std::min(end, batch.batch_size(t)) - first) * size_;
        const std::int64_t start = (batch.offset(t) + first) * size_;
        row_kernels<T>().share_largest(width, rows + start, largest_ + first * size_, shares + first * size_,
                                       d_rows + start);
      }
    });
  }

 private:
  const std::int64_t size_;
  // Of the pass.
  const T* largest_ = nullptr;
  T* counts_ = nullptr;
};

template <class T>
class AttentionPooling final : public Pooling<T> {
 public:
  AttentionPooling(std::int64_t size, Parameter<T>* query) : size_(size), query_(query) {}

  void forward(const Pass& pass, const T* rows, T* pooled) override {
    const PackedTexts& batch = pass.batch;
    pooled_ = pooled;
    weights_ = pass.scratch.array<T>(batch.rows());
    T* totals = pass.scratch.array<T>(batch.sequences());
    T* largest = pass.scratch.array<T>(batch.sequences());
    std::fill(pooled, pooled + batch.sequences() * size_, T(0));
    std::fill(totals, totals + batch.sequences(), T(0));
    for_sequence_ranges(batch.nonempty(), batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        const T score = row_kernels<T>().dot(size_, rows + row * size_, query_->values);
        weights_[row] = score;
        // Written so that NaN stays.
        largest[k] = row == k ? score : largest[k] >= score ? largest[k] : score;
      });
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        weights_[row] = std::exp(weights_[row] - largest[k]);
        totals[k] += weights_[row];
      });
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        weights_[row] /= totals[k];
        row_kernels<T>().add_scaled(size_, weights_[row], rows + row * size_, pooled + k * size_);
      });
    });
  }

  // v = Σ a_t h_t, a = softmax(h·q): dh_t = a_t dv + de_t q with de_t = a_t dv·(h_t - v), dq = Σ de_t h_t.
  void backward(const Pass& pass, const T* rows, const T* d_pooled, T* d_rows) override {
    const PackedTexts& batch = pass.batch;
    const std::int64_t sequences = batch.nonempty();
    ScratchFrame scratch;
    T* d_query = scratch.array<T>(sequences * size_);
    std::fill(d_query, d_query + sequences * size_, T(0));
    for_sequence_ranges(sequences, batch.rows() * size_, [&](std::int64_t first, std::int64_t end) {
      const RowKernels<T>& kernels = row_kernels<T>();
      ScratchFrame own;
      T* means = own.array<T>(end - first);
      for (std::int64_t k = first; k < end; ++k) {
        means[k - first] = kernels.dot(size_, d_pooled + k * size_, pooled_ + k * size_);
      }
      for_rows(batch, first, end, [&](std::int64_t k, std::int64_t row) {
        const T* h = rows + row * size_;
        const T* d = d_pooled + k * size_;
        const T d_score = weights_[row] * (kernels.dot(size_, d, h) - means[k - first]);
        kernels.sum_scaled(size_, weights_[row], d, d_score, query_->values, d_rows + row * size_);
        kernels.add_scaled(size_, d_score, h, d_query + k * size_);
      });
    });
    std::fill(query_->gradient, query_->gradient + size_, T(0));
    for (std::int64_t k = 0; k < sequences; ++k) {
      row_kernels<T>().add_scaled(size_, T(1), d_query + k * size_, query_->gradient);
    }
  }

 private:
  const std::int64_t size_;
  Parameter<T>* const query_;
  // Of the pass.
  const T* pooled_ = nullptr;
  T* weights_ = nullptr;
};

}  // namespace

template <class T>
std::unique_ptr<Pooling<T>> last_pooling(std::int64_t size, std::int64_t n_backward) {
  return std::make_unique<LastPooling<T>>(size, n_backward);
}

template <class T>
std::unique_ptr<Pooling<T>> mean_pooling(std::int64_t size) {
  return std::make_unique<MeanPooling<T>>(size);
}

template <class T>
std::unique_ptr<Pooling<T>> max_pooling(std::int64_t size) {
  return std::make_unique<MaxPooling<T>>(size);
}

template <class T>
std::unique_ptr<Pooling<T>> attention_pooling(std::int64_t size, Parameter<T>* query) {
  return std::make_unique<AttentionPooling<T>>(size, query);
}

#define SULSUL_INSTANTIATE(T)                                                       \
  template std::unique_ptr<Pooling<T>> last_pooling<T>(std::int64_t, std::int64_t); \
  template std::unique_ptr<Pooling<T>> mean_pooling<T>(std::int64_t);               \
  template std::unique_ptr<Pooling<T>> max_pooling<T>(std::int64_t);                \
  template std::unique_ptr<Pooling<T>> attention_pooling<T>(std::int64_t, Parameter<T>*);
SULSUL_INSTANTIATE(float)
SULSUL_INSTANTIATE(double)

}  // namespace sulsul
