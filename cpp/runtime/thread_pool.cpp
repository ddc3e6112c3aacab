#include "runtime/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace sulsul {
namespace {

constexpr int kMaxThreads = 1024;
// How long a thread without work looks for some before it sleeps. Measured on 2 processors with a product of
// 16 million multiply-adds, alone and after an element-wise operation of torch, whose own threads spin:
// without spinning 0.103 and 0.103 ms, with 50 µs 0.070 and 0.11 ms; with 1000 µs 0.064 and 0.105 ms, but
// torch's 0.05 ms became 2.9. Yielding the processor while spinning made ours a third slower after torch's:
// its spinning threads take it.
constexpr std::chrono::microseconds kSpin{50};

thread_local bool inside_task = false;

int available_processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Looks at `ready` for a while; true as soon as it holds.
template <class Ready>
bool spin_until(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// A job is published as one number, (job number, tasks not yet taken). Taking a task is a compare-and-swap on
// it, so a worker that wakes up late can never take a task of a job other than the one it looked at: while
// the swap can succeed that job has an unfinished task, and its caller has not returned.
class Pool {
 public:
  explicit Pool(int n_threads) : spin_(n_threads <= available_processors()) {
    sigset_t all, before;  // signals are for the threads of the application
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      stop();
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Pool() { stop(); }

  int n_threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int n_tasks, TaskFunction function, void* context) {
    function_.store(function, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    n_tasks_.store(n_tasks, std::memory_order_relaxed);
    unfinished_.store(n_tasks, std::memory_order_relaxed);
    const std::uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(job << 32 | static_cast<std::uint32_t>(n_tasks));  // seq_cst: before the look at sleepers_
    if (sleepers_.load() > 0) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
      }
      wake_.notify_all();
    }
    take_tasks();
    wait_until_finished();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_.store(true);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  void work() {
    const FlushDenormals flush;
    inside_task = true;
    std::uint64_t seen = 0;
    const auto news = [&] { return ticket_.load() >> 32 != seen || stopping_.load(); };
    while (true) {
      if (!(spin_ && spin_until(news))) {
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1);
        wake_.wait(lock, news);
        sleepers_.fetch_sub(1);
      }
      if (stopping_.load()) return;
      seen = take_tasks();
    }
  }

  // Runs tasks of the published job until none is left; returns the number of the job.
  std::uint64_t take_tasks() {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    const std::uint64_t job = ticket >> 32;
    while (ticket >> 32 == job) {
      const auto left = static_cast<std::uint32_t>(ticket);
      if (left == 0) break;
      const TaskFunction function = function_.load(std::memory_order_relaxed);
      void* context = context_.load(std::memory_order_relaxed);
      const int n_tasks = n_tasks_.load(std::memory_order_relaxed);
      if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel)) continue;
      run_one(function, context, n_tasks - static_cast<int>(left));
      ticket = ticket_.load(std::memory_order_acquire);
    }
    return job;
  }

  void run_one(TaskFunction function, void* context, int task) {
    try {
      function(context, task);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    if (unfinished_.fetch_sub(1) == 1 && caller_sleeps_.load()) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
      }
      finished_.notify_one();
    }
  }

  void wait_until_finished() {
    const auto done = [&] { return unfinished_.load() == 0; };
    if (done() || (spin_ && spin_until(done))) return;
    std::unique_lock<std::mutex> lock(mutex_);
    caller_sleeps_.store(true);
    finished_.wait(lock, done);
    caller_sleeps_.store(false);
  }

  const bool spin_;  // more threads than processors: whoever spins keeps another from working
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  std::atomic<TaskFunction> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int> n_tasks_{0};
  alignas(64) std::atomic<int> unfinished_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

int threads_from_environment() {
  for (const char* name : {"SULSUL_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') continue;
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    // OMP_NUM_THREADS may be a list, one number for each nesting level; the first is the outermost.
    if (n >= 1 && n <= kMaxThreads && (*end == '\0' || *end == ',')) return static_cast<int>(n);
    throw std::runtime_error(std::string("environment variable ") + name + " is '" + text +
                             "': must be a number of threads from 1 to 1024");
  }
  return available_processors();
}

std::atomic<int>& wanted_threads() {
  static std::atomic<int> n{threads_from_environment()};
  return n;
}

// Never destroyed: at exit the workers are asleep, and the process ends without waiting for anybody.
Pool* pool = nullptr;
std::atomic<bool> pool_busy{false};

// The child of a fork has one thread. The pool it inherits is a picture of threads that are not there,
// perhaps in the middle of a job: it is left alone, and the child makes its own.
void forget_pool_in_child() {
  pool = nullptr;
  pool_busy.store(false);
}

Pool& pool_of(int n_threads) {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, forget_pool_in_child);
  if (pool != nullptr && pool->n_threads() != n_threads) {
    delete pool;
    pool = nullptr;
  }
  if (pool == nullptr) pool = new Pool(n_threads);
  return *pool;
}

class BusyPool {
 public:
  BusyPool() : mine_(!inside_task && !pool_busy.exchange(true, std::memory_order_acquire)) {}
  ~BusyPool() {
    if (mine_) pool_busy.store(false, std::memory_order_release);
  }
  bool mine() const { return mine_; }

 private:
  const bool mine_;
};

class InsideTask {
 public:
  InsideTask() : before_(inside_task) { inside_task = true; }
  ~InsideTask() { inside_task = before_; }

 private:
  const bool before_;
};

}  // namespace

void run_tasks(int n_tasks, TaskFunction function, void* context) {
  const FlushDenormals flush;
  const int n_threads = wanted_threads().load(std::memory_order_relaxed);
  if (n_tasks > 1 && n_threads > 1) {
    const BusyPool busy;
    if (busy.mine()) {
      const InsideTask inside;
      pool_of(n_threads).run(n_tasks, function, context);
      return;
    }
  }
  for (int task = 0; task < n_tasks; ++task) function(context, task);
}

int thread_count() { return wanted_threads().load(std::memory_order_relaxed); }

void set_thread_count(int n) {
  if (n < 1 || n > kMaxThreads) {
    throw std::invalid_argument("number of threads is " + std::to_string(n) + ": must be from 1 to 1024");
  }
  wanted_threads().store(n, std::memory_order_relaxed);
}

}  // namespace sulsul
