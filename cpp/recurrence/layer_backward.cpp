#include <algorithm>
#include <thread>

#include "recurrence/layer.h"
#include "recurrence/rows.h"
#include "recurrence/tasks.h"
#include "recurrence/timeline.h"
#include "recurrence/weight_gradients.h"
#include "runtime/thread_pool.h"

namespace sulsul {
namespace {

// Two directions add to the same rows in whichever order they come: a sum of two is the same in either order.
class ChunkTurn {
 public:
  // Whether this is the first of the two; waits while the other is at it.
  explicit ChunkTurn(int* state) : state_(state) {
    int fresh = kUntouched;
    first_ = __atomic_compare_exchange_n(state, &fresh, kBusy, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
    while (!first_ && __atomic_load_n(state, __ATOMIC_ACQUIRE) != kWritten) std::this_thread::yield();
  }
  ~ChunkTurn() { __atomic_store_n(state_, kWritten, __ATOMIC_RELEASE); }
  ChunkTurn(const ChunkTurn&) = delete;
  ChunkTurn& operator=(const ChunkTurn&) = delete;

  bool first() const { return first_; }

 private:
  enum { kUntouched, kBusy, kWritten };
  int* state_;
  bool first_;
};

// With one lane per direction everything happens chunk by chunk while the gates' gradients are in the cache.
// With more, the lanes write them to memory, and the sums over all rows are then shared by columns, chunk
// after chunk in the same order: the same bits.
template <class T>
class Backward {
 public:
  Backward(const LayerBackward<T>& call, LayerWorkspace<T>& workspace, ScratchFrame& scratch)
      : call_(call),
        workspace_(workspace),
        kernels_(step_kernels<T>(call.cell.units, call.precision)),
        line_(make_timeline(call.batch, Lane{}, scratch)),
        folds_(folds_embedding(call.input, line_.rows())),
        looks_up_(folds_ || call.input.one_hot()),
        gate_columns_(call.cell.kind == CellKind::gru ? 4 * call.cell.units : call.cell.columns()) {
    sharing_ =
        share_work(call.cell, call.batch, line_.rows(), looks_up_ ? 0 : call.input.size, call.directions);
    d_rows_ = {call.d_rows, call.d_rows_stride};
    if (call.d_embedding && !folds_)
      d_rows_ = {scratch.array<T>(line_.rows() * call.input.size), call.input.size};
    turns_ = scratch.array<int>(line_.n_chunks);
    std::fill(turns_, turns_ + line_.n_chunks, 0);
    for (int d = 0; d < call.directions; ++d) {
      const BackwardDirection<T>& direction = call.direction[d];
      sums_[d] = {direction.d_kernel, direction.d_recurrent_kernel, direction.d_bias};
      if (folds_) sums_[d].kernel = scratch.array<T>(call.input.vocabulary_size * call.cell.columns());
      if (sharing_.lanes > 1) d_gates_[d] = scratch.array<T>(line_.rows() * gate_columns_);
    }
  }

  void run() {
    const int directions = call_.directions, lanes = sharing_.lanes;
    if (!sharing_.parallel) {
      parallel_for(1, [&](int) {
        for (int d = 0; d < directions; ++d) prepare(d);
        for (int d = 0; d < directions; ++d) run_lane(d, Lane{});
        finish_embedding();
      });
      return;
    }
    parallel_for(directions, [&](int d) { prepare(d); });
    parallel_for(directions * lanes, [&](int task) { run_lane(task / lanes, Lane{task % lanes, lanes}); });
    if (lanes > 1) sum_over_rows();
    finish_embedding();
  }

 private:
  void prepare(int d) {
    const DirectionWeights<T>& weights = call_.direction[d].weights;
    const LayerInput<T>& input = call_.input;
    const std::int64_t columns = call_.cell.columns();
    workspace_.recurrence[d].pack(kernels_, call_.cell, weights.recurrent_kernel, weights.bias, true);
    if (d_rows_.data || (folds_ && call_.d_embedding)) {
      workspace_.kernel_transposed[d].pack(columns, input.size, weights.kernel, columns, true,
                                           call_.precision);
    }
    const std::int64_t kernel_rows = looks_up_ ? input.vocabulary_size : input.size;
    clear_gradients(call_.cell, kernel_rows, sums_[d]);
  }

  // Gradients through time of one lane.
  void run_lane(int d, Lane lane) {
    ScratchFrame scratch;
    const Timeline line = lane.step == 1 ? line_ : make_timeline(call_.batch, lane, scratch);
    const BackwardDirection<T>& direction = call_.direction[d];
    const StepWeights<T>& weights = workspace_.recurrence[d].weights();
    const std::int64_t units = call_.cell.units, padded = weights.padded_units;
    BackwardStep<T> step;
    step.dh = scratch.array<T>(line.sequences() * padded);
    step.dc = scratch.array<T>(line.sequences() * padded);
    step.state_stride = padded;
    step.scratch = scratch.array<T>(scratch_size(kernels_, weights));
    load_states(line, units, padded, direction.d_h_n, step.dh);
    load_states(line, units, padded, direction.d_c_n, step.dc);
    T* h_previous = scratch.array<T>(line.longest_chunk * units);
    T* c_previous = call_.cell.has_cell_state() ? scratch.array<T>(line.longest_chunk * units) : nullptr;
    T* d_gates = d_gates_[d] ? nullptr : scratch.array<T>(line.longest_chunk * gate_columns_);
    T* inputs = d_gates_[d] || looks_up_ ? nullptr : scratch.array<T>(line.longest_chunk * call_.input.size);
    for (std::int64_t i = 0; i < line.n_chunks; ++i) {
      const Chunk& chunk = line.chunks[d == 0 ? line.n_chunks - 1 - i : i];
      const Rows<const T> before =
          states_before(line, line_.offsets, chunk, d != 0, units, hidden_of(d), direction.h0, h_previous);
      step.h_previous = before.data;
      step.h_previous_stride = before.stride;
      if (c_previous) {
        const Rows<const T> c =
            states_before(line, line_.offsets, chunk, d != 0, units, Rows<const T>{direction.cells, units},
                          direction.c0, c_previous);
        step.c_previous = c.data;
        step.c_previous_stride = c.stride;
      }
      run_chunk(d, line, chunk, weights, d_gates, step);
      if (d_gates == nullptr) continue;
      const Rows<const T> gates{d_gates, gate_columns_};
      const GradientChunk<T> part = gradient_chunk(d, chunk, gates, before, inputs);
      for (std::int64_t r = 0; r < count_column_ranges(call_.cell, call_.cell.columns()); ++r) {
        add_gradients(call_.cell, call_.input.size, part, column_range(call_.cell, call_.cell.columns(), r),
                      Side::both, call_.precision, kernels_, sums_[d]);
      }
      if (d_rows_.data) add_row_gradients(d, chunk, gates);
    }
    store_states(line, units, padded, step.dh, direction.d_h0);
    store_states(line, units, padded, step.dc, direction.d_c0);
  }

  void run_chunk(int d, const Timeline& line, const Chunk& chunk, const StepWeights<T>& weights, T* d_gates,
                 BackwardStep<T> step) {
    const BackwardDirection<T>& direction = call_.direction[d];
    const std::int64_t units = call_.cell.units, spread = line.lane.step;
    const auto run_step = kernels_.backward[static_cast<int>(call_.cell.kind)];
    const Rows<const T> saved = saved_of(d);
    step.d_hidden_stride = spread * call_.d_hidden_stride;
    step.saved_stride = spread * saved.stride;
    step.cells_stride = spread * units;
    const T* h_previous = step.h_previous;
    const T* c_previous = step.c_previous;
    step.d_gates_stride = d_gates ? gate_columns_ : spread * gate_columns_;
    for (std::int64_t i = 0, n = chunk.end - chunk.begin; i < n; ++i) {
      const std::int64_t t = d == 0 ? chunk.end - 1 - i : chunk.begin + i;
      const std::int64_t packed = line_.offsets[t] + line.lane.first, row = line.offsets[t] - chunk.first_row;
      step.rows = line.rows_at(t);
      if (call_.d_hidden) step.d_hidden = call_.d_hidden + packed * call_.d_hidden_stride + d * units;
      step.saved = saved.at(packed);
      const std::int64_t next = d == 0 ? t - 1 : t + 1;
      const bool exists = next >= 0 && next < line.batch.timesteps;
      step.next_saved = exists ? (line_.offsets[next] - line_.offsets[t]) * saved.stride : 0;
      if (c_previous) {
        step.cells = direction.cells + packed * units;
        step.c_previous = c_previous + row * step.c_previous_stride;
      }
      step.h_previous = h_previous + row * step.h_previous_stride;
      step.d_gates = d_gates ? d_gates + row * gate_columns_ : d_gates_[d] + packed * gate_columns_;
      run_step(weights, step);
    }
  }

  GradientChunk<T> gradient_chunk(int d, const Chunk& chunk, Rows<const T> d_gates, Rows<const T> h_previous,
                                  T* inputs) {
    GradientChunk<T> part;
    part.rows = chunk.rows;
    if (looks_up_) {
      part.token_ids = call_.input.token_ids + chunk.first_row;
    } else if (inputs != nullptr) {
      part.inputs = chunk_inputs(call_.input, line_, line_.offsets, chunk, inputs);
    }
    part.h_previous = h_previous;
    part.saved = {saved_of(d).at(chunk.first_row), saved_of(d).stride};
    part.d_gates = d_gates;
    return part;
  }

  void add_row_gradients(int d, const Chunk& chunk, Rows<const T> d_gates) {
    const std::int64_t size = call_.input.size;
    const ChunkTurn turn(turns_ + (&chunk - line_.chunks));
    T* rows = d_rows_.at(chunk.first_row);
    ScratchFrame scratch;
    // Not accumulated by the product itself: that adds the depth in parts, so the order would show.
    T* product = turn.first() ? rows : scratch.array<T>(chunk.rows * size);
    const std::int64_t stride = turn.first() ? d_rows_.stride : size;
    matmul_serial(chunk.rows, d_gates.data, d_gates.stride, workspace_.kernel_transposed[d],
                  static_cast<const T*>(nullptr), false, product, stride);
    if (!turn.first()) kernels_.add_matrix(chunk.rows, size, product, stride, rows, d_rows_.stride);
  }

  // The sums over rows when several lanes have written the gates' gradients: by columns and side.
  void sum_over_rows() {
    constexpr std::int64_t kWidth = 128;
    const std::int64_t sums = 2 * count_column_ranges(call_.cell, kWidth);
    const std::int64_t row_tasks = d_rows_.data ? line_.n_chunks : 0;
    const std::int64_t sum_tasks = call_.directions * sums;  // each passes over all rows, so they go first
    parallel_for(static_cast<int>(sum_tasks + row_tasks), [&](int task) {
      if (task >= sum_tasks) {
        const Chunk& chunk = line_.chunks[task - sum_tasks];
        for (int d = 0; d < call_.directions; ++d) add_row_gradients(d, chunk, stored_gates(d, chunk));
        return;
      }
      const std::int64_t index = task % sums;
      sum_range(static_cast<int>(task / sums), column_range(call_.cell, kWidth, index / 2),
                index % 2 == 0 ? Side::input : Side::recurrent);
    });
  }

  void sum_range(int d, ColumnRange range, Side side) {
    ScratchFrame scratch;
    const std::int64_t units = call_.cell.units, size = call_.input.size;
    T* h_previous = side == Side::recurrent ? scratch.array<T>(line_.longest_chunk * units) : nullptr;
    T* inputs = side == Side::input && !looks_up_ ? scratch.array<T>(line_.longest_chunk * size) : nullptr;
    for (std::int64_t i = 0; i < line_.n_chunks; ++i) {
      const Chunk& chunk = line_.chunks[d == 0 ? line_.n_chunks - 1 - i : i];
      Rows<const T> before;
      if (h_previous != nullptr) {
        before = states_before(line_, line_.offsets, chunk, d != 0, units, hidden_of(d),
                               call_.direction[d].h0, h_previous);
      }
      add_gradients(call_.cell, size, gradient_chunk(d, chunk, stored_gates(d, chunk), before, inputs), range,
                    side, call_.precision, kernels_, sums_[d]);
    }
  }

  Rows<const T> stored_gates(int d, const Chunk& chunk) const {
    return {d_gates_[d] + chunk.first_row * gate_columns_, gate_columns_};
  }

  // From the gradient of the looked-up products E W to those of E and W, or from the rows' to that of E.
  void finish_embedding() {
    const LayerInput<T>& input = call_.input;
    const std::int64_t columns = call_.cell.columns(), size = input.size, vocabulary = input.vocabulary_size;
    if (folds_) {
      for (int d = 0; d < call_.directions; ++d) {
        if (call_.d_embedding) {
          matmul(vocabulary, static_cast<const T*>(sums_[d].kernel), columns, workspace_.kernel_transposed[d],
                 static_cast<const T*>(nullptr), d > 0, call_.d_embedding, size);
        }
        matmul_tn(size, columns, vocabulary, input.embedding, size, static_cast<const T*>(sums_[d].kernel),
                  columns, false, call_.direction[d].d_kernel, columns, call_.precision);
      }
    } else if (call_.d_embedding) {
      constexpr std::int64_t kSlice = 32;  // columns
      parallel_for(sharing_.parallel ? static_cast<int>((size + kSlice - 1) / kSlice) : 1, [&](int task) {
        const std::int64_t first = task * kSlice,
                           width = sharing_.parallel ? std::min(kSlice, size - first) : size;
        for (std::int64_t v = 0; v < vocabulary; ++v) {
          std::fill(call_.d_embedding + v * size + first, call_.d_embedding + v * size + first + width, T(0));
        }
        kernels_.scatter_add(line_.rows(), width, input.token_ids, d_rows_.data + first, d_rows_.stride,
                             call_.d_embedding + first, size);
      });
    }
  }

  Rows<const T> hidden_of(int d) const { return {call_.hidden + d * call_.cell.units, call_.hidden_stride}; }

  // The gates as the forward left them; a simple RNN's only one is its state.
  Rows<const T> saved_of(int d) const {
    if (call_.cell.saved_columns() == 0) return hidden_of(d);
    return {call_.direction[d].saved, call_.cell.saved_columns()};
  }

  const LayerBackward<T>& call_;
  LayerWorkspace<T>& workspace_;
  const StepKernels<T>& kernels_;
  const Timeline line_;
  const bool folds_;
  const bool looks_up_;
  const std::int64_t gate_columns_;
  Sharing sharing_;
  Rows<T> d_rows_;
  int* turns_ = nullptr;
  GradientSums<T> sums_[kMaxDirections];
  T* d_gates_[kMaxDirections] = {};  // (N, gate_columns_), with several lanes
};

}  // namespace

template <class T>
void layer_backward(const LayerBackward<T>& call, LayerWorkspace<T>& workspace) {
  ScratchFrame scratch;
  Backward<T>(call, workspace, scratch).run();
}

template void layer_backward<float>(const LayerBackward<float>&, LayerWorkspace<float>&);
template void layer_backward<double>(const LayerBackward<double>&, LayerWorkspace<double>&);

}  // namespace sulsul
