// SGD, RMSprop, Adam and AdamW as src/sulsul/training/optimizers.py defines them, with clipping before.
#pragma once

#include "network/update_kernels.h"

namespace sulsul {

enum class OptimizerKind { sgd, rmsprop, adam, adamw };

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::adam;
  double momentum = 0;      // sgd
  double weight_decay = 0;  // adamw: decoupled; others: added to the gradient
  double clip_norm = 0;     // largest global norm of the gradients (Pascanu et al. 2013); 0: any
};

// How many arrays of its own the optimizer keeps beside the parameters: FlatParameters::first, ::second.
int optimizer_arrays(const OptimizerSettings& settings);

// One step; `step` counts those taken before.
template <class T>
void update_parameters(const OptimizerSettings& settings, double learning_rate, std::int64_t step,
                       const FlatParameters<T>& parameters);

}  // namespace sulsul
