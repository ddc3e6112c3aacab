// SimpleRNN, GRU or LSTM in one or both directions, as a layer of a network.
#pragma once

#include "network/parameter.h"
#include "network/sequence_layer.h"

namespace sulsul {

template <class T>
struct DirectionParameters {
  Parameter<T>* kernel = nullptr;
  Parameter<T>* recurrent_kernel = nullptr;
  Parameter<T>* bias = nullptr;
};

template <class T>
class RecurrentLayer final : public SequenceLayer<T> {
 public:
  RecurrentLayer(const Cell& cell, std::vector<DirectionParameters<T>> directions)
      : cell_(cell), directions_(std::move(directions)) {}

  std::int64_t output_size() const override { return directions() * cell_.units; }
  LayerInput<T> forward(const Pass& pass, const LayerInput<T>& input) override;
  void backward(const Pass& pass, const LayerInput<T>& input, const T* d_output,
                const InputGradient<T>& d_input) override;

  // From now on only the state after each direction's last step is looked at, not the rows: forward leaves
  // it in final_state() (B, output_size()), and backward reads its gradient there instead of d_output.
  void return_final_state() { final_only_ = true; }
  const T* final_state() const { return final_; }
  void set_final_gradient(const T* gradient) { d_final_ = gradient; }

 private:
  int directions() const { return static_cast<int>(directions_.size()); }

  const Cell cell_;
  const std::vector<DirectionParameters<T>> directions_;
  bool final_only_ = false;
  LayerWorkspace<T> workspace_;
  // Of the pass.
  T* hidden_ = nullptr;
  T* saved_[kMaxDirections] = {};
  T* cells_[kMaxDirections] = {};
  T* final_ = nullptr;
  const T* d_final_ = nullptr;
};

}  // namespace sulsul
