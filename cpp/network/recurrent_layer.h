// SimpleRNN, GRU or LSTM in one or both directions, as a layer of a network.
#pragma once

#include <memory>
#include <utility>
#include <vector>

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
class RecurrentLayer : public SequenceLayer<T> {
 public:
  RecurrentLayer(const Cell& cell, std::vector<DirectionParameters<T>> directions)
      : cell_(cell), directions_(std::move(directions)) {}

  std::int64_t output_size() const override { return directions() * cell_.units; }

  // After a forward over tokens: whether backward gives the gradient of the embedding, or that of its rows,
  // as if they had been dense.
  virtual bool folds_embedding(const Pass& pass, const SequenceInput<T>& input) const = 0;

  // From now on only the state after each direction's last step is looked at, not the rows: forward leaves
  // it in final_state() (B, output_size()), and backward reads its gradient there instead of d_output.
  void return_final_state() { final_only_ = true; }
  const T* final_state() const { return final_; }
  void set_final_gradient(const T* gradient) { d_final_ = gradient; }

 protected:
  int directions() const { return static_cast<int>(directions_.size()); }

  const Cell cell_;
  const std::vector<DirectionParameters<T>> directions_;
  bool final_only_ = false;
  // Of the pass.
  T* final_ = nullptr;
  const T* d_final_ = nullptr;
};

template <class T>
std::unique_ptr<RecurrentLayer<T>> make_recurrent_layer(const Cell& cell,
                                                        std::vector<DirectionParameters<T>> directions);

}  // namespace sulsul
