// Inverted dropout with a mask of its own for every value (Srivastava et al. 2014).
#pragma once

#include "network/pooled_layer.h"
#include "network/sequence_layer.h"

namespace sulsul {

// A number that tells the dropouts of one network apart.
using DropoutIndex = std::uint32_t;

class Dropout {
 public:
  Dropout(double rate, DropoutIndex index) : rate_(rate), index_(index) {}

  // x, or in training a new array: `size` values for every packed row or, `pooled`, for every sequence.
  template <class T>
  const T* forward(const Pass& pass, std::int64_t size, bool pooled, const T* x);

  // After a forward in training, with the same mask.
  template <class T>
  void backward(std::int64_t n, const T* d_output, T* d_input) const;

 private:
  void draw(const Pass& pass, std::int64_t n);
  void draw_part(const Pass& pass, std::int64_t size, bool pooled);
  void draw_row(const DropoutKey& key, std::uint64_t first, std::int64_t size, std::uint8_t* keep) const;
  template <class T>
  void apply(std::int64_t n, const T* x, T* out) const;

  const double rate_;
  const DropoutIndex index_;
  std::uint8_t* keep_ = nullptr;  // of the pass
};

template <class T>
class SequenceDropout final : public SequenceLayer<T> {
 public:
  SequenceDropout(double rate, DropoutIndex index, std::int64_t size) : dropout_(rate, index), size_(size) {}

  std::int64_t output_size() const override { return size_; }
  SequenceInput<T> forward(const Pass& pass, const SequenceInput<T>& input) override {
    return dense_rows(dropout_.forward(pass, size_, false, input.rows), size_);
  }
  void backward(const Pass& pass, const SequenceInput<T>&, const T* d_output,
                const InputGradient<T>& d_input) override {
    if (d_input.rows) dropout_.backward(pass.batch.rows() * size_, d_output, d_input.rows);
  }

 private:
  Dropout dropout_;
  const std::int64_t size_;
};

template <class T>
class PooledDropout final : public PooledLayer<T> {
 public:
  PooledDropout(double rate, DropoutIndex index, std::int64_t size) : dropout_(rate, index), size_(size) {}

  std::int64_t input_size() const override { return size_; }
  const T* forward(const Pass& pass, const T* x) override { return dropout_.forward(pass, size_, true, x); }
  void backward(const Pass& pass, const T*, T* d_output, T* d_x) override {
    dropout_.backward<T>(pass.batch.sequences() * size_, d_output, d_x);
  }

 private:
  Dropout dropout_;
  const std::int64_t size_;
};

}  // namespace sulsul
