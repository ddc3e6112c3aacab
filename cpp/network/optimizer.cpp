#include "network/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace sulsul {
namespace {

constexpr double kEpsilon = 1e-7;
constexpr double kRmspropRho = 0.9;
constexpr double kAdamBeta1 = 0.9, kAdamBeta2 = 0.999;
// A task's four arrays stay in the second-level cache between clipping and update.
constexpr std::int64_t kTaskParameters = 1 << 15;

int tasks_of(std::int64_t size) { return static_cast<int>((size + kTaskParameters - 1) / kTaskParameters); }

template <class T>
double global_norm(const FlatParameters<T>& parameters) {
  ScratchFrame scratch;
  const int n = tasks_of(parameters.size);
  double* sums = scratch.array<double>(n);
  parallel_for(n, [&](int task) {
    const std::int64_t first = task * kTaskParameters;
    sums[task] = update_kernels<T>().sum_of_squares(std::min(kTaskParameters, parameters.size - first),
                                                    parameters.gradients + first);
  });
  double total = 0;
  for (int task = 0; task < n; ++task) total += sums[task];
  return std::sqrt(total);
}

template <class T>
UpdateFactors<T> update_factors(const OptimizerSettings& settings, double learning_rate, std::int64_t step) {
  UpdateFactors<T> factors;
  const bool decoupled = settings.kind == OptimizerKind::adamw;
  factors.decay = static_cast<T>(decoupled ? 0.0 : settings.weight_decay);
  factors.shrink = static_cast<T>(decoupled ? 1.0 - learning_rate * settings.weight_decay : 1.0);
  factors.epsilon = static_cast<T>(kEpsilon);
  factors.first_decay = static_cast<T>(settings.momentum);
  factors.second_decay = static_cast<T>(kRmspropRho);
  if (settings.kind == OptimizerKind::adam || settings.kind == OptimizerKind::adamw) {
    const auto t = static_cast<double>(step + 1);
    factors.first_decay = static_cast<T>(kAdamBeta1);
    factors.second_decay = static_cast<T>(kAdamBeta2);
    learning_rate *= std::sqrt(1.0 - std::pow(kAdamBeta2, t)) / (1.0 - std::pow(kAdamBeta1, t));
  }
  factors.learning_rate = static_cast<T>(learning_rate);
  return factors;
}

template <class T>
auto update_rule(const OptimizerSettings& settings) {
  const UpdateKernels<T>& kernels = update_kernels<T>();
  switch (settings.kind) {
    case OptimizerKind::sgd:
      return settings.momentum == 0 ? kernels.sgd : kernels.sgd_momentum;
    case OptimizerKind::rmsprop:
      return kernels.rmsprop;
    default:
      return kernels.adam;
  }
}

template <class T>
T* at(T* array, std::int64_t first) {
  return array ? array + first : nullptr;
}

}  // namespace

int optimizer_arrays(const OptimizerSettings& settings) {
  if (settings.kind == OptimizerKind::sgd) return settings.momentum == 0 ? 0 : 1;
  return settings.kind == OptimizerKind::rmsprop ? 1 : 2;
}

template <class T>
void update_parameters(const OptimizerSettings& settings, double learning_rate, std::int64_t step,
                       const FlatParameters<T>& p) {
  UpdateFactors<T> factors = update_factors<T>(settings, learning_rate, step);
  if (settings.clip_norm > 0) {
    const double norm = global_norm(p);
    if (norm > settings.clip_norm && norm < std::numeric_limits<double>::infinity()) {
      factors.gradient_scale = static_cast<T>(settings.clip_norm / norm);
    }
  }
  const auto update = update_rule<T>(settings);
  parallel_for(tasks_of(p.size), [&](int task) {
    const std::int64_t first = task * kTaskParameters;
    update({p.values + first, p.gradients + first, at(p.first, first), at(p.second, first),
            std::min(kTaskParameters, p.size - first)},
           factors);
  });
}

template void update_parameters<float>(const OptimizerSettings&, double, std::int64_t,
                                       const FlatParameters<float>&);
template void update_parameters<double>(const OptimizerSettings&, double, std::int64_t,
                                        const FlatParameters<double>&);

}  // namespace sulsul
