#include <algorithm>

#include "recurrence/layer.h"
#include "recurrence/rows.h"
#include "recurrence/tasks.h"
#include "recurrence/timeline.h"
#include "runtime/thread_pool.h"

namespace sulsul {
namespace {

constexpr std::int64_t kStreamBytes = std::int64_t{1} << 21;

template <class T>
class Forward {
 public:
  Forward(const LayerForward<T>& call, LayerWorkspace<T>& workspace, ScratchFrame& scratch)
      : call_(call),
        workspace_(workspace),
        kernels_(step_kernels<T>(call.cell.units, call.precision)),
        line_(make_timeline(call.batch, Lane{}, scratch)),
        folds_(folds_embedding(call.input, line_.rows())) {
    const std::int64_t input_size =
        call.input.token_ids && (folds_ || call.input.one_hot()) ? 0 : call.input.size;
    sharing_ = share_work(call.cell, call.batch, line_.rows(), input_size, call.directions);
    for (int d = 0; d < call.directions; ++d) {
      if (folds_) tables_[d] = scratch.array<T>(call.input.vocabulary_size * call.cell.columns());
      if (call.input.one_hot()) tables_[d] = const_cast<T*>(call.direction[d].weights.kernel);
    }
  }

  void run() {
    const int directions = call_.directions, lanes = sharing_.lanes;
    if (!sharing_.parallel) {
      parallel_for(1, [&](int) {
        for (int d = 0; d < directions; ++d) pack(d);
        for (int d = 0; d < directions; ++d) run_lane(d, Lane{});
      });
      return;
    }
    parallel_for(directions, [&](int d) { pack(d); });
    parallel_for(directions * lanes, [&](int task) { run_lane(task / lanes, Lane{task % lanes, lanes}); });
  }

 private:
  void pack(int d) {
    const DirectionWeights<T>& weights = call_.direction[d].weights;
    const LayerInput<T>& input = call_.input;
    const std::int64_t columns = call_.cell.columns();
    workspace_.recurrence[d].pack(kernels_, call_.cell, weights.recurrent_kernel, weights.bias, false);
    if (input.one_hot()) return;
    workspace_.kernel[d].pack(input.size, columns, weights.kernel, columns, false, call_.precision);
    if (folds_) {
      matmul_serial(input.vocabulary_size, input.embedding, input.size, workspace_.kernel[d],
                    static_cast<const T*>(nullptr), false, tables_[d], columns);
    }
  }

  void run_lane(int d, Lane lane) {
    ScratchFrame scratch;
    const Timeline line = lane.step == 1 ? line_ : make_timeline(call_.batch, lane, scratch);
    const ForwardDirection<T>& direction = call_.direction[d];
    const StepWeights<T>& weights = workspace_.recurrence[d].weights();
    const std::int64_t units = call_.cell.units, padded = weights.padded_units;
    ForwardStep<T> step;
    step.h = scratch.array<T>(line.sequences() * padded);
    step.c = scratch.array<T>(line.sequences() * padded);
    step.state_stride = padded;
    step.stream = can_stream(direction);
    step.scratch = scratch.array<T>(scratch_size(kernels_, weights));
    load_states(line, units, padded, direction.h0, step.h);
    load_states(line, units, padded, direction.c0, step.c);
    T* inputs = nullptr;
    T* products = nullptr;
    if (tables_[d] == nullptr) {
      inputs = scratch.array<T>(line.longest_chunk * call_.input.size);
      products = scratch.array<T>(line.longest_chunk * call_.cell.columns());
    }
    for (std::int64_t i = 0; i < line.n_chunks; ++i) {
      const Chunk& chunk = line.chunks[d == 0 ? i : line.n_chunks - 1 - i];
      if (products != nullptr) multiply_inputs(d, line, chunk, inputs, products);
      run_chunk(d, line, chunk, products, weights, step);
    }
    if (step.stream) kernels_.finish_streams();
    store_states(line, units, padded, step.h, direction.h_n);
    store_states(line, units, padded, step.c, direction.c_n);
  }

  // What a large training batch keeps for backward would only displace the weights and the next chunk's
  // inputs.
  bool can_stream(const ForwardDirection<T>& direction) const {
    const std::int64_t vector = kernels_.lanes;
    const auto aligned = [&](const T* p) {
      return reinterpret_cast<std::uintptr_t>(p) % (vector * sizeof(T)) == 0;
    };
    return direction.saved != nullptr &&
           line_.rows() * call_.cell.saved_columns() * sizeof(T) > kStreamBytes &&
           call_.cell.units % vector == 0 && aligned(direction.saved) && aligned(direction.cells);
  }

  void multiply_inputs(int d, const Timeline& line, const Chunk& chunk, T* inputs, T* products) {
    const Rows<const T> rows = chunk_inputs(call_.input, line, line_.offsets, chunk, inputs);
    matmul_serial(chunk.rows, rows.data, rows.stride, workspace_.kernel[d], static_cast<const T*>(nullptr),
                  false, products, call_.cell.columns());
  }

  void run_chunk(int d, const Timeline& line, const Chunk& chunk, const T* products,
                 const StepWeights<T>& weights, ForwardStep<T> step) {
    const ForwardDirection<T>& direction = call_.direction[d];
    const std::int64_t units = call_.cell.units, columns = call_.cell.columns();
    const std::int64_t saved_columns = call_.cell.saved_columns();
    const auto run_step = kernels_.forward[static_cast<int>(call_.cell.kind)];
    step.source_stride = columns;
    step.token_stride = line.lane.step;
    step.hidden_stride = line.lane.step * call_.hidden_stride;
    step.saved_stride = line.lane.step * saved_columns;
    step.cells_stride = line.lane.step * units;
    for (std::int64_t i = 0, n = chunk.end - chunk.begin; i < n; ++i) {
      const std::int64_t t = d == 0 ? chunk.begin + i : chunk.end - 1 - i;
      const std::int64_t packed = line_.offsets[t] + line.lane.first;
      step.rows = line.rows_at(t);
      if (tables_[d] != nullptr) {
        step.source = tables_[d];
        step.token_ids = call_.input.token_ids + packed;
      } else {
        step.source = products + (line.offsets[t] - chunk.first_row) * columns;
      }
      if (call_.hidden) step.hidden = call_.hidden + packed * call_.hidden_stride + d * units;
      if (direction.saved) step.saved = direction.saved + packed * saved_columns;
      if (direction.cells) step.cells = direction.cells + packed * units;
      run_step(weights, step);
    }
  }

  const LayerForward<T>& call_;
  LayerWorkspace<T>& workspace_;
  const StepKernels<T>& kernels_;
  const Timeline line_;
  const bool folds_;
  Sharing sharing_;
  T* tables_[kMaxDirections] = {};  // x W by token
};

}  // namespace

template <class T>
void layer_forward(const LayerForward<T>& call, LayerWorkspace<T>& workspace) {
  ScratchFrame scratch;
  Forward<T>(call, workspace, scratch).run();
}

template void layer_forward<float>(const LayerForward<float>&, LayerWorkspace<float>&);
template void layer_forward<double>(const LayerForward<double>&, LayerWorkspace<double>&);

}  // namespace sulsul
