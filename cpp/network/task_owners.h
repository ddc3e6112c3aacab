// Which thread ran which task, so that a later pass over the same data finds it in the same thread's cache.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/thread_pool.h"

namespace sulsul {

// Tasks move between the cores otherwise: which thread a pool gives a task to is left to chance. A backward
// pass over 200 kB of states that another core wrote was not faster on two threads than on one.
class TaskOwners {
 public:
  static constexpr int kMostTasks = 8;

  // Runs f(task) for 0 … n_tasks-1, each once, like parallel_for; every thread begins with tasks that were
  // its own the last time.
  template <class F>
  void run(int n_tasks, const F& f) {
    for (int task = 0; task < n_tasks; ++task) taken_[task].store(false, std::memory_order_relaxed);
    parallel_for(n_tasks, [&](int) {
      const int task = take(n_tasks);
      f(task);
    });
  }

 private:
  int take(int n_tasks) {
    static thread_local char here;
    for (const bool own : {true, false}) {
      for (int task = 0; task < n_tasks; ++task) {
        if (own && owners_[task] != &here) continue;
        if (taken_[task].exchange(true, std::memory_order_acq_rel)) continue;
        owners_[task] = &here;
        return task;
      }
    }
    return -1;  // as many calls as tasks: one is left
  }

  std::atomic<bool> taken_[kMostTasks] = {};
  std::atomic<const char*> owners_[kMostTasks] = {};
};

}  // namespace sulsul
