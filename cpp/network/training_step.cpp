#include "network/training_step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace sulsul {
namespace {

// Tells how long each part of a call took; a look at the clock costs some 25 ns.
class Stopwatch {
 public:
  void lap(double* seconds) {
    const Clock::time_point now = Clock::now();
    *seconds += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace

template <class T>
void NetworkRunner<T>::predict(const TextRows& texts, T* logits) {
  if (texts.n_rows == 0) return;
  const FlushDenormals flush;
  ScratchFrame scratch;
  Stopwatch watch;
  gather(network_.input(), texts.texts, texts.rows, texts.n_rows, &batch_);
  watch.lap(&times_.gather);
  const T* packed = network_.forward({batch_, scratch, false, {}});
  const std::int64_t n_logits = network_.n_logits();
  for (std::int64_t k = 0; k < texts.n_rows; ++k, packed += n_logits) {
    std::copy(packed, packed + n_logits, logits + texts.rows[batch_.position(k)] * n_logits);
  }
  watch.lap(&times_.forward);
}

template <class T>
LossResult NetworkRunner<T>::differentiate(const TextRows& texts, const Targets<T>& targets,
                                           const DropoutKey& dropout) {
  const FlushDenormals flush;
  ScratchFrame scratch;
  Stopwatch watch;
  gather(network_.input(), texts.texts, texts.rows, texts.n_rows, &batch_);
  watch.lap(&times_.gather);
  if (dropout.whole.places != nullptr && dropout.whole.n_timesteps < batch_.timesteps()) {
    throw std::invalid_argument("the whole batch has fewer timesteps than its part");
  }
  const Pass pass{batch_, scratch, true, dropout};
  const T* logits = network_.forward(pass);
  watch.lap(&times_.forward);
  T* d_logits = scratch.array<T>(texts.n_rows * network_.n_logits());
  const LossResult result = classification_loss(network_.output_kind(), network_.n_logits(), batch_,
                                                texts.rows, targets, logits, d_logits);
  watch.lap(&times_.loss);
  if (std::isfinite(result.loss)) network_.backward(pass, d_logits);
  watch.lap(&times_.backward);
  return result;
}

template <class T>
LossResult NetworkRunner<T>::take_step(const PlannedStep& step, const Targets<T>& targets,
                                       const DropoutKey& dropout, const OptimizerSettings& settings,
                                       const FlatParameters<T>& parameters) {
  const LossResult result = differentiate(step.texts, targets, dropout);
  Stopwatch watch;
  if (std::isfinite(result.loss)) {
    TouchedRows touched;
    if (settings.lazy_embedding) touched = network_.touched_rows(batch_, parameters.gradients);
    update_parameters(settings, step.learning_rate, static_cast<std::int64_t>(dropout.step), parameters,
                      touched);
  }
  watch.lap(&times_.update);
  return result;
}

template <class T>
std::vector<LossResult> NetworkRunner<T>::train(const std::vector<PlannedStep>& steps, double seconds,
                                                const Targets<T>& targets, const DropoutKey& first,
                                                const OptimizerSettings& settings,
                                                const FlatParameters<T>& parameters) {
  const FlushDenormals flush;
  const auto start = std::chrono::steady_clock::now();
  std::vector<LossResult> results;
  results.reserve(steps.size());
  DropoutKey dropout = first;
  for (const PlannedStep& step : steps) {
    results.push_back(take_step(step, targets, dropout, settings, parameters));
    ++dropout.step;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (!std::isfinite(results.back().loss) || elapsed.count() >= seconds) break;
  }
  return results;
}

template <class T>
std::vector<std::int64_t> NetworkRunner<T>::touched_rows() {
  const Parameter<T>* embedding = network_.input().embedding;
  if (embedding == nullptr || embedding->gradient == nullptr) return {};
  const TouchedRows touched = network_.touched_rows(batch_, embedding->gradient);
  return {touched.rows, touched.rows + touched.n_rows};
}

template class NetworkRunner<float>;
template class NetworkRunner<double>;

}  // namespace sulsul
