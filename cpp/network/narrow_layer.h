// A simple RNN of at most kNarrowUnits units; see narrow_kernels.h.
#pragma once

#include "network/narrow_kernels.h"
#include "network/narrow_source.h"
#include "network/recurrent_layer.h"
#include "network/task_owners.h"

namespace sulsul {

// How a batch is cut into blocks of sequences, a vector's lanes each, and these into tasks that each sum
// gradients of their own. Neither depends on the number of threads.
struct NarrowPlan {
  std::int64_t lanes = 0, n_blocks = 0, n_tasks = 1;
  bool by_token = false;  // products are taken once per word of the vocabulary, and every task has a table of
                          // their gradients
  std::int64_t state_size = 0;  // of a block and timestep

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
class NarrowLayer final : public RecurrentLayer<T> {
 public:
  using RecurrentLayer<T>::RecurrentLayer;

  SequenceInput<T> forward(const Pass& pass, const SequenceInput<T>& input) override;
  void backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                const InputGradient<T>& d_input) override;
  bool folds_embedding(const Pass&, const SequenceInput<T>&) const override { return plan_.by_token; }

 private:
  using RecurrentLayer<T>::cell_;
  using RecurrentLayer<T>::directions_;
  using RecurrentLayer<T>::final_only_;
  using RecurrentLayer<T>::final_;
  using RecurrentLayer<T>::d_final_;
  using RecurrentLayer<T>::directions;
  using RecurrentLayer<T>::output_size;

  std::int64_t width() const { return narrow_width(cell_.units); }
  T activation_scale() const { return cell_.relu ? T(1) : narrow_kernels<T>().tanh_scale; }
  void make_plan(const Pass& pass, const SequenceInput<T>& input);
  void prepare(const Pass& pass);
  NarrowWeights<T> weights(int direction) const;
  NarrowBlock block(const Pass& pass, std::int64_t index, int direction) const;
  void forward_block(const Pass& pass, const NarrowWeights<T>& weights, std::int64_t index, int direction,
                     const T* products) const;
  void backward_block(const Pass& pass, const NarrowWeights<T>& weights, std::int64_t index, int direction,
                      NarrowBackward<T> call) const;
  void backward_direction(const Pass& pass, int direction, const T* d_output, T* d_products,
                          std::int64_t d_products_size);
  const T* padded_gradient(const Pass& pass, int direction, const T* d_output, ScratchFrame& scratch) const;
  void sum_recurrent_gradient(int direction, T* sums) const;

  PackedMatrix<T> kernel_[kMaxDirections], kernel_transposed_[kMaxDirections];
  TaskOwners owners_;
  // Of the pass.
  NarrowPlan plan_;
  const T* rows_ = nullptr;               // the inputs, where NarrowSource needs them
  T* hidden_ = nullptr;                   // (N, output_size())
  T* states_[kMaxDirections] = {};        // block after block
  std::int64_t* state_starts_ = nullptr;  // where those of a block begin
};

}  // namespace sulsul
