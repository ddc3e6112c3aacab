// The training loss of a batch: src/sulsul/model/loss.py and training/objective.py.
#pragma once

#include <cstdint>

#include "network/packed_texts.h"

namespace sulsul {

enum class OutputKind { sigmoid, softmax, multi_label };

// Labels of all texts of a corpus.
template <class T>
struct Targets {
  const std::int64_t* class_ids = nullptr;  // (n_texts), or
  const float* label_sets = nullptr;        // (n_texts, C), 1 for every label a text has
  const T* class_weights = nullptr;         // (C), or nullptr: all 1
  const float* sample_weights = nullptr;    // (n_texts), or nullptr: all 1
};

struct LossResult {
  double loss = 0;  // weighted, summed over the texts, divided by their number
  std::int64_t n_correct = 0;
};

// logits (B, L) in packed order, L is 1 for sigmoid and C otherwise; `rows` as given to PackedTexts::gather.
// d_logits is overwritten.
template <class T>
LossResult classification_loss(OutputKind output, std::int64_t n_logits, const PackedTexts& batch,
                               const std::int64_t* rows, const Targets<T>& targets, const T* logits,
                               T* d_logits);

}  // namespace sulsul
