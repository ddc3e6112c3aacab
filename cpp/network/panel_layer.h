// Any recurrent layer, by the kernels of cpp/recurrence.
#pragma once

#include "network/recurrent_layer.h"

namespace sulsul {

template <class T>
class PanelLayer final : public RecurrentLayer<T> {
 public:
  using RecurrentLayer<T>::RecurrentLayer;

  SequenceInput<T> forward(const Pass& pass, const SequenceInput<T>& input) override;
  void backward(const Pass& pass, const SequenceInput<T>& input, const T* d_output,
                const InputGradient<T>& d_input) override;
  bool folds_embedding(const Pass& pass, const SequenceInput<T>& input) const override;

 private:
  using RecurrentLayer<T>::cell_;
  using RecurrentLayer<T>::directions_;
  using RecurrentLayer<T>::final_only_;
  using RecurrentLayer<T>::final_;
  using RecurrentLayer<T>::d_final_;
  using RecurrentLayer<T>::directions;
  using RecurrentLayer<T>::output_size;

  LayerWorkspace<T> workspace_;
  // Of the pass.
  T* hidden_ = nullptr;
  T* saved_[kMaxDirections] = {};
  T* cells_[kMaxDirections] = {};
};

}  // namespace sulsul
