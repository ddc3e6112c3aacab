// Our own worker threads.
//
// Not OpenMP: scikit-learn ships a second libgomp whose spinning pool slows ours several times over, and a
// process forked after the first parallel region hangs in its next one.
//
// Results never depend on the number of threads, because work is cut into tasks whose number depends on the
// shape of the problem only; which thread runs a task is left to chance.
#pragma once

#include <type_traits>

namespace sulsul {

using TaskFunction = void (*)(void* context, int task);

// Runs function(context, 0 … n_tasks-1), each exactly once, and returns when all are done. The calling thread
// takes its share. Runs everything on the calling thread when there is one task or one thread, inside another
// task, and when another thread is using the pool. Denormals are flushed to zero in all of them; the caller's
// floating-point mode is restored. The first exception thrown by a task is rethrown when no task runs any
// more.
void run_tasks(int n_tasks, TaskFunction function, void* context);

// parallel_for(n_tasks, [&](int task) { … });
template <class F>
inline __attribute__((always_inline)) void parallel_for(int n_tasks, F&& body) {
  using Body = std::remove_reference_t<F>;
  run_tasks(
      n_tasks, [](void* context, int task) { (*static_cast<Body*>(context))(task); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Threads used, the caller included. At the start: SULSUL_NUM_THREADS, else OMP_NUM_THREADS, else the
// processors this process may run on.
int thread_count();

// Throws std::invalid_argument unless 1 <= n <= 1024. Takes effect with the next parallel_for.
void set_thread_count(int n);

// While it lives, denormal inputs and results count as zero in this thread (FTZ and DAZ; FZ on arm64).
// Vanishing gradients become denormal after a few hundred timesteps, and each such number costs some hundred
// cycles: a step of three bidirectional LSTMs over 500 timesteps took 1700 ms without, 95 ms with.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned long long saved_;
};

// Whether this thread flushes denormals now.
bool denormals_are_flushed();

}  // namespace sulsul
