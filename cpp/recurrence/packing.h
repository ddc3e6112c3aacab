// Recurrent weights as the step kernels read them.
#pragma once

#include <cstdint>

#include "recurrence/step.h"
#include "runtime/workspace.h"

namespace sulsul {

template <class T>
class PackedRecurrence {
 public:
  // recurrent_kernel (H, G·H), bias as Cell::bias_size(). `with_backward` packs U^T too.
  void pack(const StepKernels<T>& kernels, const Cell& cell, const T* recurrent_kernel, const T* bias,
            bool with_backward);
  const StepWeights<T>& weights() const { return weights_; }

 private:
  StepWeights<T> weights_;
  AlignedBuffer buffer_;
};

}  // namespace sulsul
