// Recurrent weights in the order the step kernels read them: panels a few vectors wide, depth after depth.
#pragma once

#include <cstdint>

#include "recurrence/step.h"
#include "runtime/workspace.h"

namespace sulsul {

// A panel is [depth][vectors][lanes], up to kPanelVectors neighbouring vectors of columns; zeros behind the
// last.
constexpr std::int64_t kPanelVectors = 4;

template <class T>
class PackedRecurrence {
 public:
  // recurrent_kernel (H, G·H), bias as Cell::bias_size(). `with_backward` packs U^T too.
  void pack(const Cell& cell, const T* recurrent_kernel, const T* bias, bool with_backward);
  const StepWeights<T>& weights() const { return weights_; }

 private:
  StepWeights<T> weights_;
  AlignedBuffer buffer_;
};

}  // namespace sulsul
