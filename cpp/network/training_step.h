// One step of training, and one prediction, in a single call.
#pragma once

#include "network/loss.h"
#include "network/network.h"
#include "network/optimizer.h"

namespace sulsul {

// Some texts of a corpus: rows of `texts`.
struct TextRows {
  TextTable texts;
  const std::int64_t* rows = nullptr;
  std::int64_t n_rows = 0;
};

// Seconds spent in the parts of all calls so far.
struct PhaseTimes {
  double gather = 0, forward = 0, loss = 0, backward = 0, update = 0;
};

// A network with what it keeps between calls so that a repeated call allocates nothing. One call at a time.
template <class T>
class NetworkRunner {
 public:
  Network<T>& network() { return network_; }
  const PhaseTimes& times() const { return times_; }

  // As in evaluation. Writes to the rows of `logits` (n_texts, n_logits()). Throws as PackedTexts.
  void predict(const TextRows& texts, T* logits);

  // Loss of the texts before the step, with every parameter's gradient unless the loss is not finite.
  LossResult differentiate(const TextRows& texts, const Targets<T>& targets, const DropoutKey& dropout);

  // The same, and the step; a loss that is not finite leaves the parameters as they were.
  LossResult train(const TextRows& texts, const Targets<T>& targets, const DropoutKey& dropout,
                   const OptimizerSettings& settings, double learning_rate,
                   const FlatParameters<T>& parameters);

 private:
  Network<T> network_;
  PackedTexts batch_;
  PhaseTimes times_;
};

}  // namespace sulsul
