#include "network/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/prefetch.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace sulsul {
namespace {

constexpr double kEpsilon = 1e-7;
constexpr double kRmspropRho = 0.9;
constexpr double kAdamBeta1 = 0.9, kAdamBeta2 = 0.999;
// A task's four arrays stay in the second-level cache between clipping and update.
constexpr std::int64_t kTaskParameters = 1 << 15;
constexpr std::int64_t kAhead = 4;  // rows between a fetch and the use

std::int64_t pieces(std::int64_t size, std::int64_t piece) { return (size + piece - 1) / piece; }

// What a step updates, cut into tasks of one range or of some rows each.
class Work {
 public:
  Work(std::int64_t size, const TouchedRows& touched)
      : touched_(touched), before_end_(touched.n_rows < 0 ? size : touched.first), size_(size) {
    if (touched.n_rows >= 0) {
      after_first_ = touched.first + pieces(touched.size, kUpdateBlock) * kUpdateBlock;
      rows_of_task_ = std::max<std::int64_t>(1, kTaskParameters / touched.row_size);
      n_row_tasks_ = pieces(touched.n_rows, rows_of_task_);
    } else {
      after_first_ = size;
    }
    n_before_ = pieces(before_end_, kTaskParameters);
    n_after_ = pieces(size - after_first_, kTaskParameters);
  }

  int n_tasks() const { return static_cast<int>(n_before_ + n_after_ + n_row_tasks_); }

  // Calls f(first, size) for every range of a task, and before it fetch(first, size) for rows whose turn
  // comes soon.
  template <class F, class Fetch>
  void for_ranges(std::int64_t task, const F& f, const Fetch& fetch) const {
    if (task < n_before_) return for_piece(task, 0, before_end_, f);
    task -= n_before_;
    if (task < n_after_) return for_piece(task, after_first_, size_, f);
    task -= n_after_;
    const std::int64_t end = std::min(touched_.n_rows, (task + 1) * rows_of_task_);
    const auto row = [&](std::int64_t i) { return touched_.first + touched_.rows[i] * touched_.row_size; };
    for (std::int64_t i = task * rows_of_task_; i < end; ++i) {
      if (i + kAhead < end) fetch(row(i + kAhead), touched_.row_size);
      f(row(i), touched_.row_size);
    }
  }

 private:
  template <class F>
  static void for_piece(std::int64_t i, std::int64_t first, std::int64_t end, const F& f) {
    first += i * kTaskParameters;
    f(first, std::min(kTaskParameters, end - first));
  }

  const TouchedRows& touched_;
  std::int64_t before_end_, after_first_, size_;
  std::int64_t n_before_ = 0, n_after_ = 0, n_row_tasks_ = 0, rows_of_task_ = 1;
};

template <class T>
double global_norm(const Work& work, const T* gradients) {
  ScratchFrame scratch;
  const int n = work.n_tasks();
  double* sums = scratch.array<double>(n);
  parallel_for(n, [&](int task) {
    sums[task] = 0;
    work.for_ranges(
        task,
        [&](std::int64_t first, std::int64_t size) {
          sums[task] += update_kernels<T>().sum_of_squares(size, gradients + first);
        },
        [&](std::int64_t first, std::int64_t size) { prefetch_row<false>(gradients + first, size); });
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

}  // namespace

int optimizer_arrays(const OptimizerSettings& settings) {
  if (settings.kind == OptimizerKind::sgd) return settings.momentum == 0 ? 0 : 1;
  return settings.kind == OptimizerKind::rmsprop ? 1 : 2;
}

template <class T>
void update_parameters(const OptimizerSettings& settings, double learning_rate, std::int64_t step,
                       const FlatParameters<T>& p, const TouchedRows& touched) {
  UpdateFactors<T> factors = update_factors<T>(settings, learning_rate, step);
  const Work work(p.size, touched);
  if (settings.clip_norm > 0) {
    const double norm = global_norm(work, p.gradients);
    if (norm > settings.clip_norm && norm < std::numeric_limits<double>::infinity()) {
      factors.gradient_scale = static_cast<T>(settings.clip_norm / norm);
    }
  }
  const auto update = update_rule<T>(settings);
  parallel_for(work.n_tasks(), [&](int task) {
    work.for_ranges(
        task, [&](std::int64_t first, std::int64_t size) { update(p.range(first, size), factors); },
        [&](std::int64_t first, std::int64_t size) {
          prefetch_row<true>(p.values + first, size);
          prefetch_row<false>(p.gradients + first, size);
          if (p.first) prefetch_row<true>(p.first + first, size);
          if (p.second) prefetch_row<true>(p.second + first, size);
        });
  });
}

template void update_parameters<float>(const OptimizerSettings&, double, std::int64_t,
                                       const FlatParameters<float>&, const TouchedRows&);
template void update_parameters<double>(const OptimizerSettings&, double, std::int64_t,
                                        const FlatParameters<double>&, const TouchedRows&);

}  // namespace sulsul
