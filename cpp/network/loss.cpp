#include "network/loss.h"

#include <algorithm>
#include <cmath>

namespace sulsul {
namespace {

// log(1 + e^-|z|), and the logistic function of z from the same power.
template <class T>
struct Logistic {
  T tail;
  T probability;
  T complement;  // 1 - probability

  explicit Logistic(T z) {
    const T power = std::exp(-std::abs(z)), share = T(1) / (T(1) + power);
    tail = std::log1p(power);
    probability = z >= T(0) ? share : power * share;
    complement = z >= T(0) ? power * share : share;
  }
};

template <class T>
struct TextLoss {
  T loss;
  bool correct;
};

// Loss of one text with its gradient by the logits; `weight` multiplies both.
template <class T>
TextLoss<T> sigmoid_loss(T z, bool positive, T weight, T* d) {
  const Logistic<T> logistic(z);
  const T y = positive ? T(1) : T(0);
  *d = weight * (logistic.probability - y);
  return {weight * (std::max(z, T(0)) - z * y + logistic.tail), (z > T(0)) == positive};
}

template <class T>
TextLoss<T> softmax_loss(std::int64_t n, const T* z, std::int64_t target, T weight, T* d) {
  const T* largest = std::max_element(z, z + n);
  T total = 0;
  for (std::int64_t c = 0; c < n; ++c) total += d[c] = std::exp(z[c] - *largest);
  for (std::int64_t c = 0; c < n; ++c) d[c] = weight * (d[c] / total - (c == target ? T(1) : T(0)));
  return {weight * (std::log(total) - (z[target] - *largest)), largest - z == target};
}

// The mean over the labels of (1 - y) z + (1 + (p - 1) y) log(1 + e^-z), where p weighs a label that is
// there.
template <class T>
TextLoss<T> label_set_loss(std::int64_t n, const T* z, const float* labels, const T* weights, T* d) {
  TextLoss<T> result{0, true};
  for (std::int64_t c = 0; c < n; ++c) {
    const Logistic<T> logistic(z[c]);
    const T y = static_cast<T>(labels[c]);
    const T factor = T(1) + (weights ? weights[c] - T(1) : T(0)) * y;
    result.loss += (T(1) - y) * z[c] + factor * (logistic.tail + std::max(-z[c], T(0)));
    d[c] = ((T(1) - y) - factor * logistic.complement) / static_cast<T>(n);
    result.correct = result.correct && (z[c] > T(0)) == (labels[c] > 0.5f);
  }
  result.loss /= static_cast<T>(n);
  return result;
}

}  // namespace

template <class T>
LossResult classification_loss(OutputKind output, std::int64_t n_logits, const PackedTexts& batch,
                               const std::int64_t* rows, const Targets<T>& targets, const T* logits,
                               T* d_logits) {
  LossResult result;
  const std::int64_t n = batch.sequences();
  const T share = T(1) / static_cast<T>(n);
  for (std::int64_t k = 0; k < n; ++k, logits += n_logits, d_logits += n_logits) {
    const std::int64_t row = rows[batch.position(k)];
    TextLoss<T> text;
    if (output == OutputKind::multi_label) {
      text = label_set_loss(n_logits, logits, targets.label_sets + row * n_logits, targets.class_weights,
                            d_logits);
    } else {
      const std::int64_t target = targets.class_ids[row];
      const T weight = targets.class_weights ? targets.class_weights[target] : T(1);
      text = output == OutputKind::sigmoid ? sigmoid_loss(*logits, target == 1, weight, d_logits)
                                           : softmax_loss(n_logits, logits, target, weight, d_logits);
    }
    const T importance = targets.sample_weights ? static_cast<T>(targets.sample_weights[row]) : T(1);
    result.loss += static_cast<double>(text.loss * importance);
    result.n_correct += text.correct;
    for (std::int64_t c = 0; c < n_logits; ++c) d_logits[c] *= share * importance;
  }
  result.loss /= static_cast<double>(n);
  return result;
}

template LossResult classification_loss<float>(OutputKind, std::int64_t, const PackedTexts&,
                                               const std::int64_t*, const Targets<float>&, const float*,
                                               float*);
template LossResult classification_loss<double>(OutputKind, std::int64_t, const PackedTexts&,
                                                const std::int64_t*, const Targets<double>&, const double*,
                                                double*);

}  // namespace sulsul
