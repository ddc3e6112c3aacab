// A simple RNN of at most kNarrowUnits units; see narrow_kernels.h.
#pragma once

#include "network/narrow_kernels.h"
#include "network/recurrent_layer.h"

namespace sulsul {

template <class T>
class NarrowLayer final : public RecurrentLayer<T> {
 public:
  using RecurrentLayer<T>::RecurrentLayer;

  LayerInput<T> forward(const Pass& pass, const LayerInput<T>& input) override;
  void backward(const Pass& pass, const LayerInput<T>& input, const T* d_output,
                const InputGradient<T>& d_input) override;

 private:
  using RecurrentLayer<T>::cell_;
  using RecurrentLayer<T>::directions_;
  using RecurrentLayer<T>::final_only_;
  using RecurrentLayer<T>::final_;
  using RecurrentLayer<T>::d_final_;
  using RecurrentLayer<T>::directions;
  using RecurrentLayer<T>::output_size;

  // How the batch is cut into blocks of sequences, and these into tasks that each sum gradients of their own.
  // Neither depends on the number of threads.
  struct Plan;
  static Plan plan(const Pass& pass, const LayerInput<T>& input);
  static NarrowBlock block(const Pass& pass, const Plan& plan, std::int64_t index, int direction);

  std::int64_t width() const { return narrow_width(cell_.units); }
  NarrowWeights<T> weights(int direction) const;
  const T* input_products(const Pass& pass, const LayerInput<T>& input, bool by_token, int direction,
                          ScratchFrame& scratch);
  void run_backward(const Pass& pass, const Plan& plan, int direction, const T* d_output,
                    const std::int64_t* token_ids, T* d_source, std::int64_t d_source_size);
  void add_kernel_gradients(const Pass& pass, const LayerInput<T>& input, bool by_token, int direction,
                            const T* d_source, const InputGradient<T>& d_input);

  PackedMatrix<T> kernel_[kMaxDirections], kernel_transposed_[kMaxDirections];
  // Of the pass.
  const T* rows_ = nullptr;         // the inputs (N, I) without gaps, where their products are not looked up
  T* states_[kMaxDirections] = {};  // block after block
  std::int64_t* state_starts_ = nullptr;  // where those of a block begin
};

}  // namespace sulsul
