#include "network/narrow_layer.h"

#include <algorithm>

#include "network/prefetch.h"
#include "recurrence/step.h"

namespace sulsul {
namespace {

// Rows of a batch below which a second thread costs more than it brings.
constexpr std::int64_t kSerialRows = 2048;

template <class F>
void for_tasks(TaskOwners& owners, std::int64_t n, std::int64_t rows, const F& f) {
  if (rows < kSerialRows) {
    for (std::int64_t task = 0; task < n; ++task) f(task);
  } else {
    owners.run(static_cast<int>(n), [&](int task) { f(std::int64_t{task}); });
  }
}

}  // namespace

template <class T>
void NarrowLayer<T>::make_plan(const Pass& pass, const SequenceInput<T>& input) {
  plan_.lanes = narrow_kernels<T>().lanes;
  plan_.n_blocks = (pass.batch.nonempty() + plan_.lanes - 1) / plan_.lanes;
  plan_.n_tasks = std::clamp<std::int64_t>(plan_.n_blocks / 2, 1, TaskOwners::kMostTasks);
  plan_.by_token =
      input.tokens != nullptr && input.tokens->vocabulary_size * plan_.n_tasks <= pass.batch.rows();
  plan_.state_size = width() * plan_.lanes;
  rows_ = input.rows;
  if (input.tokens && input.tokens->embedding && !plan_.by_token) rows_ = embedded_rows(*input.tokens, pass);
}

// Memory for what forward leaves.
template <class T>
void NarrowLayer<T>::prepare(const Pass& pass) {
  const PackedTexts& batch = pass.batch;
  state_starts_ = pass.scratch.array<std::int64_t>(plan_.n_blocks + 1);
  state_starts_[0] = 0;
  for (std::int64_t i = 0; i < plan_.n_blocks; ++i) {
    state_starts_[i + 1] = state_starts_[i] + batch.length(i * plan_.lanes) * plan_.state_size;
  }
  for (int d = 0; d < directions() && pass.training; ++d) {
    states_[d] = pass.scratch.array<T>(state_starts_[plan_.n_blocks]);
  }
  const std::int64_t n = batch.sequences() * output_size();
  hidden_ = final_only_ ? nullptr : pass.scratch.array<T>(batch.rows() * output_size());
  final_ = final_only_ ? pass.scratch.array<T>(n) : nullptr;
  if (final_only_) std::fill(final_, final_ + n, T(0));
}

template <class T>
NarrowWeights<T> NarrowLayer<T>::weights(int direction) const {
  const std::int64_t units = cell_.units, n = width();
  NarrowWeights<T> w;
  w.width = n;
  w.relu = cell_.relu;
  const T scale = activation_scale();
  const T* recurrent = directions_[direction].recurrent_kernel->values;
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t u = 0; u < n; ++u) {
      const T value = k < units && u < units ? recurrent[k * units + u] : T(0);
      w.recurrent[k * n + u] = scale * value;
      w.transposed[u * n + k] = value;
    }
  }
  return w;
}

template <class T>
NarrowBlock NarrowLayer<T>::block(const Pass& pass, std::int64_t index, int direction) const {
  const PackedTexts& batch = pass.batch;
  NarrowBlock block;
  block.batch_sizes = batch.shape().batch_sizes;
  block.offsets = batch.offsets();
  block.first = index * plan_.lanes;
  block.sequences = std::min(plan_.lanes, batch.nonempty() - block.first);
  block.timesteps = batch.length(block.first);
  block.reverse = direction > 0;
  block.by_token = plan_.by_token;
  for (std::int64_t i = 0; i < block.sequences && plan_.by_token; ++i) {
    block.tokens[i] = batch.tokens(block.first + i);
    block.lengths[i] = batch.length(block.first + i);
  }
  return block;
}

template <class T>
void NarrowLayer<T>::forward_block(const Pass& pass, const NarrowWeights<T>& weights, std::int64_t index,
                                   int direction, const T* products) const {
  const NarrowBlock block = this->block(pass, index, direction);
  alignas(64) T final[kNarrowUnits * kMostLanes];
  NarrowForward<T> call;
  call.source = products;
  call.units = cell_.units;
  call.states = pass.training ? states_[direction] + state_starts_[index] : nullptr;
  call.hidden = hidden_ ? hidden_ + direction * cell_.units : nullptr;
  call.hidden_stride = output_size();
  call.final = final_ ? final : nullptr;
  narrow_kernels<T>().forward(weights, block, call);
  for (std::int64_t i = 0; i < block.sequences && final_; ++i) {
    T* row = final_ + (block.first + i) * output_size() + direction * cell_.units;
    for (std::int64_t u = 0; u < cell_.units; ++u) row[u] = final[u * plan_.lanes + i];
  }
}

template <class T>
SequenceInput<T> NarrowLayer<T>::forward(const Pass& pass, const SequenceInput<T>& input) {
  make_plan(pass, input);
  prepare(pass);
  ScratchFrame scratch;
  const NarrowSource<T> source(pass, input, rows_, width(), plan_.by_token, activation_scale());
  for (int d = 0; d < directions(); ++d) {
    const NarrowWeights<T> w = weights(d);
    const T* products = source.products(directions_[d], kernel_[d], scratch);
    for_tasks(owners_, plan_.n_tasks, pass.batch.rows(), [&](std::int64_t task) {
      // From the core that computed them, all at once.
      if (plan_.by_token) prefetch_row<false>(products, source.n_rows() * width());
      plan_.for_blocks(task, [&](std::int64_t index) { forward_block(pass, w, index, d, products); });
    });
  }
  return dense_rows<T>(hidden_, output_size());
}

template <class T>
void NarrowLayer<T>::backward_block(const Pass& pass, const NarrowWeights<T>& weights, std::int64_t index,
                                    int direction, NarrowBackward<T> call) const {
  const NarrowBlock block = this->block(pass, index, direction);
  alignas(64) T d_final[kNarrowUnits * kMostLanes] = {};
  for (std::int64_t i = 0; i < block.sequences && final_only_; ++i) {
    const T* row = d_final_ + (block.first + i) * output_size() + direction * cell_.units;
    for (std::int64_t u = 0; u < cell_.units; ++u) d_final[u * plan_.lanes + i] = row[u];
  }
  call.states = states_[direction] + state_starts_[index];
  call.d_final = final_only_ ? d_final : nullptr;
  narrow_kernels<T>().backward(weights, block, call);
}

// A direction's share of d_output, with zeros behind the units.
template <class T>
const T* NarrowLayer<T>::padded_gradient(const Pass& pass, int direction, const T* d_output,
                                         ScratchFrame& scratch) const {
  const std::int64_t n = pass.batch.rows();
  T* padded = scratch.array<T>(n * width());
  std::fill(padded, padded + n * width(), T(0));
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = d_output + i * output_size() + direction * cell_.units;
    std::copy(row, row + cell_.units, padded + i * width());
  }
  return padded;
}

// Over tasks, then over lanes in a tree: a chain of additions would take 2 µs of a step of 50.
template <class T>
void NarrowLayer<T>::sum_recurrent_gradient(int direction, T* sums) const {
  const std::int64_t units = cell_.units, n = width(), task_size = n * plan_.state_size;
  for (std::int64_t task = 1; task < plan_.n_tasks; ++task) {
    step_kernels<T>().add_matrix(1, task_size, sums + task * task_size, task_size, sums, task_size);
  }
  for (std::int64_t half = plan_.lanes / 2; half > 0; half /= 2) {
    for (T* lanes = sums; lanes < sums + task_size; lanes += plan_.lanes) {
      for (std::int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
  }
  T* gradient = directions_[direction].recurrent_kernel->gradient;
  for (std::int64_t k = 0; k < units; ++k) {
    for (std::int64_t u = 0; u < units; ++u) gradient[k * units + u] = sums[(k * n + u) * plan_.lanes];
  }
}

// Gradients of the recurrent kernel, and of the products.
template <class T>
void NarrowLayer<T>::backward_direction(const Pass& pass, int direction, const T* d_output, T* d_products,
                                        std::int64_t d_products_size) {
  const NarrowWeights<T> w = weights(direction);
  const std::int64_t sums_size = width() * plan_.state_size;
  ScratchFrame scratch;
  T* sums = scratch.array<T>(plan_.n_tasks * sums_size);
  T* tables = plan_.by_token ? scratch.array<T>(plan_.n_tasks * d_products_size) : nullptr;
  NarrowBackward<T> call;
  if (!final_only_) call.d_hidden = padded_gradient(pass, direction, d_output, scratch);
  for_tasks(owners_, plan_.n_tasks, pass.batch.rows(), [&](std::int64_t task) {
    NarrowBackward<T> own = call;
    own.d_source = tables ? tables + task * d_products_size : d_products;
    own.d_recurrent = sums + task * sums_size;
    std::fill(own.d_recurrent, own.d_recurrent + sums_size, T(0));
    if (tables) std::fill(own.d_source, own.d_source + d_products_size, T(0));
    plan_.for_blocks(task, [&](std::int64_t index) { backward_block(pass, w, index, direction, own); });
  });
  sum_recurrent_gradient(direction, sums);
  if (tables == nullptr) return;
  std::copy(tables, tables + d_products_size, d_products);
  for (std::int64_t task = 1; task < plan_.n_tasks; ++task) {
    step_kernels<T>().add_matrix(1, d_products_size, tables + task * d_products_size, d_products_size,
                                 d_products, d_products_size);
  }
}

template <class T>
void NarrowLayer<T>::backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                              const InputGradient<T>& d_input) {
  const NarrowSource<T> source(pass, input, rows_, width(), plan_.by_token, activation_scale());
  const std::int64_t size = source.n_rows() * width();
  ScratchFrame scratch;
  T* d_products = scratch.array<T>(size);
  for (int d = 0; d < directions(); ++d) {
    backward_direction(pass, d, d_output, d_products, size);
    source.gradients(d_products, directions_[d], kernel_transposed_[d], d > 0, d_input);
  }
}

template class NarrowLayer<float>;
template class NarrowLayer<double>;

}  // namespace sulsul
