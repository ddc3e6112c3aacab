#include "network/narrow_layer.h"

#include <algorithm>

#include "recurrence/step.h"

namespace sulsul {
namespace {

// Rows of a batch below which a second thread costs more than it brings.
constexpr std::int64_t kSerialRows = 2048;
constexpr std::int64_t kMostTasks = 8;
constexpr std::int64_t kMostLanes = 16;

template <class F>
void for_tasks(std::int64_t n, std::int64_t rows, const F& f) {
  if (rows < kSerialRows) {
    for (std::int64_t task = 0; task < n; ++task) f(task);
  } else {
    parallel_for(static_cast<int>(n), [&](int task) { f(std::int64_t{task}); });
  }
}

}  // namespace

template <class T>
struct NarrowLayer<T>::Plan {
  std::int64_t lanes, n_blocks, n_tasks;
  bool folds;  // the vocabulary's products are looked up, and their gradient has a table in each task

  // Tasks take turns, forwards and backwards: the blocks' lengths fall.
  template <class F>
  void for_blocks(std::int64_t task, const F& f) const {
    for (std::int64_t round = 0; round * n_tasks < n_blocks; ++round) {
      const std::int64_t index = round * n_tasks + (round % 2 == 0 ? task : n_tasks - 1 - task);
      if (index < n_blocks) f(index);
    }
  }
};

template <class T>
typename NarrowLayer<T>::Plan NarrowLayer<T>::plan(const Pass& pass, const LayerInput<T>& input) {
  Plan plan;
  plan.lanes = narrow_kernels<T>().lanes;
  plan.n_blocks = (pass.batch.nonempty() + plan.lanes - 1) / plan.lanes;
  plan.n_tasks = std::clamp<std::int64_t>(plan.n_blocks / 2, 1, kMostTasks);
  plan.folds = input.token_ids != nullptr && input.vocabulary_size * plan.n_tasks <= pass.batch.rows();
  return plan;
}

template <class T>
NarrowBlock NarrowLayer<T>::block(const Pass& pass, const Plan& plan, std::int64_t index, int direction) {
  const PackedShape shape = pass.batch.shape();
  NarrowBlock block;
  block.batch_sizes = shape.batch_sizes;
  block.offsets = pass.batch.offsets();
  block.first = index * plan.lanes;
  block.sequences = std::min(plan.lanes, pass.batch.nonempty() - block.first);
  block.timesteps = pass.batch.length(block.first);
  block.reverse = direction > 0;
  return block;
}

template <class T>
NarrowWeights<T> NarrowLayer<T>::weights(int direction) const {
  const std::int64_t units = cell_.units, n = width();
  NarrowWeights<T> w;
  w.width = n;
  w.relu = cell_.relu;
  const T* recurrent = directions_[direction].recurrent_kernel->values;
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t u = 0; u < n; ++u) {
      const T value = k < units && u < units ? recurrent[k * units + u] : T(0);
      w.recurrent[k * n + u] = w.transposed[u * n + k] = value;
    }
  }
  return w;
}

// x W + b: rows of width(), by token or by packed row.
template <class T>
const T* NarrowLayer<T>::input_products(const Pass& pass, const LayerInput<T>& input, bool by_token,
                                        int direction, ScratchFrame& scratch) {
  const std::int64_t units = cell_.units;
  const T* kernel = directions_[direction].kernel->values;
  const T* bias = directions_[direction].bias->values;
  const std::int64_t n = by_token ? input.vocabulary_size : pass.batch.rows();
  T* products = scratch.array<T>(n * width());
  if (units < width()) std::fill(products, products + n * width(), T(0));
  if (input.one_hot()) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T* row = kernel + (by_token ? i : input.token_ids[i]) * units;
      for (std::int64_t u = 0; u < units; ++u) products[i * width() + u] = row[u] + bias[u];
    }
    return products;
  }
  kernel_[direction].pack(input.size, units, kernel, units, false, pass.precision);
  matmul(n, by_token ? input.embedding : rows_, input.size, kernel_[direction], bias, false, products,
         width());
  return products;
}

template <class T>
LayerInput<T> NarrowLayer<T>::forward(const Pass& pass, const LayerInput<T>& input) {
  const PackedTexts& batch = pass.batch;
  const Plan plan = this->plan(pass, input);
  const std::int64_t units = cell_.units, state_size = width() * plan.lanes;
  rows_ = input.rows;
  if (!plan.folds && input.embedding) {
    T* rows = pass.scratch.array<T>(batch.rows() * input.size);
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      const T* row = input.embedding + input.token_ids[i] * input.size;
      std::copy(row, row + input.size, rows + i * input.size);
    }
    rows_ = rows;
  }
  state_starts_ = pass.scratch.array<std::int64_t>(plan.n_blocks + 1);
  state_starts_[0] = 0;
  for (std::int64_t i = 0; i < plan.n_blocks; ++i) {
    state_starts_[i + 1] = state_starts_[i] + batch.length(i * plan.lanes) * state_size;
  }
  const bool with_rows = !final_only_;
  T* hidden = with_rows ? pass.scratch.array<T>(batch.rows() * output_size()) : nullptr;
  final_ = final_only_ ? pass.scratch.array<T>(batch.sequences() * output_size()) : nullptr;
  if (final_) std::fill(final_, final_ + batch.sequences() * output_size(), T(0));
  for (int d = 0; d < directions() && pass.training; ++d) {
    states_[d] = pass.scratch.array<T>(state_starts_[plan.n_blocks]);
  }
  ScratchFrame scratch;
  for (int d = 0; d < directions(); ++d) {
    const NarrowWeights<T> w = weights(d);
    NarrowForward<T> call;
    call.source = input_products(pass, input, plan.folds, d, scratch);
    call.hidden = with_rows ? hidden + d * units : nullptr;
    call.hidden_stride = output_size();
    call.units = units;
    for_tasks(plan.n_blocks, batch.rows(), [&](std::int64_t index) {
      NarrowBlock block = this->block(pass, plan, index, d);
      NarrowForward<T> own = call;
      alignas(64) T final[kNarrowUnits * kMostLanes];
      if (plan.folds) block.token_ids = input.token_ids;
      if (pass.training) own.states = states_[d] + state_starts_[index];
      if (final_) own.final = final;
      narrow_kernels<T>().forward(w, block, own);
      for (std::int64_t i = 0; i < block.sequences && final_; ++i) {
        T* row = final_ + (block.first + i) * output_size() + d * units;
        for (std::int64_t u = 0; u < units; ++u) row[u] = final[u * plan.lanes + i];
      }
    });
  }
  return dense_rows<T>(hidden, output_size());
}

// Gradients of the recurrent kernel, and of x W into d_source: by token its tasks' tables are summed there.
template <class T>
void NarrowLayer<T>::run_backward(const Pass& pass, const Plan& plan, int d, const T* d_output,
                                  const std::int64_t* token_ids, T* d_source, std::int64_t d_source_size) {
  const std::int64_t units = cell_.units, n = width(), sums_size = n * n * plan.lanes;
  const NarrowWeights<T> w = weights(d);
  ScratchFrame scratch;
  T* sums = scratch.array<T>(plan.n_tasks * sums_size);
  T* tables = token_ids ? scratch.array<T>(plan.n_tasks * d_source_size) : nullptr;
  const T* d_rows = nullptr;
  if (!final_only_) {
    T* own = scratch.array<T>(pass.batch.rows() * n);
    std::fill(own, own + pass.batch.rows() * n, T(0));
    for (std::int64_t i = 0; i < pass.batch.rows(); ++i) {
      const T* row = d_output + i * output_size() + d * units;
      std::copy(row, row + units, own + i * n);
    }
    d_rows = own;
  }
  for_tasks(plan.n_tasks, pass.batch.rows(), [&](std::int64_t task) {
    NarrowBackward<T> call;
    alignas(64) T d_final[kNarrowUnits * kMostLanes];
    call.d_hidden = d_rows;
    call.d_source = token_ids ? tables + task * d_source_size : d_source;
    call.d_recurrent = sums + task * sums_size;
    std::fill(call.d_recurrent, call.d_recurrent + sums_size, T(0));
    if (token_ids) std::fill(call.d_source, call.d_source + d_source_size, T(0));
    plan.for_blocks(task, [&](std::int64_t index) {
      NarrowBlock block = this->block(pass, plan, index, d);
      block.token_ids = token_ids;
      call.states = states_[d] + state_starts_[index];
      if (final_only_) {
        std::fill(d_final, d_final + n * plan.lanes, T(0));
        for (std::int64_t i = 0; i < block.sequences; ++i) {
          const T* row = d_final_ + (block.first + i) * output_size() + d * units;
          for (std::int64_t u = 0; u < units; ++u) d_final[u * plan.lanes + i] = row[u];
        }
        call.d_final = d_final;
      }
      narrow_kernels<T>().backward(w, block, call);
    });
  });
  T* d_recurrent = directions_[d].recurrent_kernel->gradient;
  for (std::int64_t i = 0; i < units * units; ++i) {
    T total = 0;
    for (std::int64_t task = 0; task < plan.n_tasks; ++task) {
      const T* lanes = sums + task * sums_size + (i / units * n + i % units) * plan.lanes;
      for (std::int64_t lane = 0; lane < plan.lanes; ++lane) total += lanes[lane];
    }
    d_recurrent[i] = total;
  }
  if (token_ids == nullptr) return;
  std::copy(tables, tables + d_source_size, d_source);
  for (std::int64_t task = 1; task < plan.n_tasks; ++task) {
    step_kernels<T>().add_matrix(1, d_source_size, tables + task * d_source_size, d_source_size, d_source,
                                 d_source_size);
  }
}

// From the gradient of x W, rows of width() by token or by packed row, to those of bias, kernel and inputs.
// The first direction overwrites the inputs' gradient and the second adds to it.
template <class T>
void NarrowLayer<T>::add_kernel_gradients(const Pass& pass, const LayerInput<T>& input, bool by_token, int d,
                                          const T* d_source, const InputGradient<T>& d_input) {
  const std::int64_t units = cell_.units, n = by_token ? input.vocabulary_size : pass.batch.rows();
  T* d_kernel = directions_[d].kernel->gradient;
  T* d_bias = directions_[d].bias->gradient;
  std::fill(d_bias, d_bias + units, T(0));
  step_kernels<T>().add_rows(n, units, d_source, width(), d_bias);
  if (input.one_hot()) {
    std::fill(d_kernel, d_kernel + input.size * units, T(0));
    if (by_token) {
      step_kernels<T>().add_matrix(n, units, d_source, width(), d_kernel, units);
    } else {
      step_kernels<T>().scatter_add(n, units, input.token_ids, d_source, width(), d_kernel, units);
    }
    return;
  }
  const T* x = by_token ? input.embedding : rows_;
  matmul_tn(input.size, units, n, x, input.size, d_source, width(), false, d_kernel, units, pass.precision);
  if (d_input.rows == nullptr && d_input.embedding == nullptr) return;
  const T* kernel = directions_[d].kernel->values;
  kernel_transposed_[d].pack(units, input.size, kernel, units, true, pass.precision);
  ScratchFrame scratch;
  T* d_x = by_token ? d_input.embedding : d_input.rows;
  const bool scatters = d_input.embedding && !by_token;
  if (scatters) d_x = scratch.array<T>(n * input.size);
  matmul(n, d_source, width(), kernel_transposed_[d], static_cast<const T*>(nullptr), d > 0 && !scatters, d_x,
         input.size);
  if (!scatters) return;
  if (d == 0) std::fill(d_input.embedding, d_input.embedding + input.vocabulary_size * input.size, T(0));
  step_kernels<T>().scatter_add(n, input.size, input.token_ids, d_x, input.size, d_input.embedding,
                                input.size);
}

template <class T>
void NarrowLayer<T>::backward(const Pass& pass, const LayerInput<T>& input, const T* d_output,
                              const InputGradient<T>& d_input) {
  const Plan plan = this->plan(pass, input);
  const std::int64_t n_rows = plan.folds ? input.vocabulary_size : pass.batch.rows();
  ScratchFrame scratch;
  T* d_source = scratch.array<T>(n_rows * width());
  for (int d = 0; d < directions(); ++d) {
    run_backward(pass, plan, d, d_output, plan.folds ? input.token_ids : nullptr, d_source, n_rows * width());
    add_kernel_gradients(pass, input, plan.folds, d, d_source, d_input);
  }
}

template class NarrowLayer<float>;
template class NarrowLayer<double>;

}  // namespace sulsul
