// SGD, RMSprop, Adam and AdamW as src/sulsul/training/optimizers.py defines them, with clipping before.
#pragma once

#include "network/update_kernels.h"

namespace sulsul {

enum class OptimizerKind { sgd, rmsprop, adam, adamw };

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::adam;
  double momentum = 0;          // sgd
  double weight_decay = 0;      // adamw: decoupled; others: added to the gradient
  double clip_norm = 0;         // largest global norm of the gradients (Pascanu et al. 2013); 0: any
  bool lazy_embedding = false;  // of the embedding, update the rows that a batch reads; see TouchedRows
};

// Rows of one array that a step updates. The others keep their values and what the optimizer remembers of
// them, weight decay included, as torch.optim.SparseAdam defines it; the corrections of Adam's means count
// all steps.
struct TouchedRows {
  std::int64_t first = 0;  // where the array begins among the parameters
  std::int64_t size = 0, row_size = 0;
  const std::int64_t* rows = nullptr;  // different ones
  std::int64_t n_rows = -1;            // -1: everything is updated
};

// How many arrays of its own the optimizer keeps beside the parameters: FlatParameters::first, ::second.
int optimizer_arrays(const OptimizerSettings& settings);

// One step; `step` counts those taken before.
template <class T>
void update_parameters(const OptimizerSettings& settings, double learning_rate, std::int64_t step,
                       const FlatParameters<T>& parameters, const TouchedRows& touched = {});

}  // namespace sulsul
