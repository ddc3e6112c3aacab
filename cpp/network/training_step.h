// One step of training, and one prediction, in a single call.
#pragma once

#include <vector>

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

struct PlannedStep {
  TextRows texts;
  double learning_rate = 0;
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

  // Loss of the texts before the step, with every parameter's gradient unless the loss is not finite. Throws
  // as PackedTexts, and if the whole batch of the dropout is shorter than the texts.
  LossResult differentiate(const TextRows& texts, const Targets<T>& targets, const DropoutKey& dropout);

  // A step on each batch in turn, until `seconds` are over or a loss is not finite; that one leaves the
  // parameters as they were. Returns the losses of the batches it came to, of one at least. `first` is for
  // the first batch.
  std::vector<LossResult> train(const std::vector<PlannedStep>& steps, double seconds,
                                const Targets<T>& targets, const DropoutKey& first,
                                const OptimizerSettings& settings, const FlatParameters<T>& parameters);

  // The rows of the embedding that the batch of the last differentiate() reads, rising; none if no embedding
  // is trained.
  std::vector<std::int64_t> touched_rows();

 private:
  LossResult take_step(const PlannedStep& step, const Targets<T>& targets, const DropoutKey& dropout,
                       const OptimizerSettings& settings, const FlatParameters<T>& parameters);

  Network<T> network_;
  PackedTexts batch_;
  PhaseTimes times_;
};

}  // namespace sulsul
