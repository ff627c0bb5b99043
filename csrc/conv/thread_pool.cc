#include "conv/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace tilewright::conv {
namespace {

// About 50 microseconds.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("isb");  // waits about as long as x86's pause
#else
  std::this_thread::yield();
#endif
}

int process_id() {
#if defined(_WIN32)
  return 0;  // processes cannot be forked
#else
  return getpid();
#endif
}

// Spins until `condition` holds, but only for a short time. Returns whether it holds.
template <class Condition>
bool spin(const Condition& condition) {
  for (int i = 0; i < kSpins; ++i) {
    if (condition()) return true;
    pause();
  }
  return condition();
}

}  // namespace

class ThreadPool::Workers {
 public:
  explicit Workers(int threads) {
    try {
      for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work_until_stopped(i); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void run(index_t count, index_t chunk, const Work& work) {
    work_ = &work;
    count_ = count;
    chunk_ = chunk;
    next_.store(0, std::memory_order_relaxed);
    if (threads_.empty() || count <= chunk) {
      take_chunks(0);
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      active_.store(static_cast<int>(threads_.size()));
      generation_.fetch_add(1);
    }
    start_.notify_all();
    take_chunks(0);
    const auto finished = [this] { return active_.load() == 0; };
    if (spin(finished)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, finished);
  }

 private:
  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    start_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void take_chunks(int thread) {
    for (;;) {
      const index_t first = next_.fetch_add(chunk_, std::memory_order_relaxed);
      if (first >= count_) return;
      (*work_)(first, std::min(chunk_, count_ - first), thread);
    }
  }

  void work_until_stopped(int thread) {
    unsigned seen = 0;
    const auto started = [&] { return stopping_.load() || generation_.load() != seen; };
    for (;;) {
      if (!spin(started)) {
        std::unique_lock<std::mutex> lock(mutex_);
        start_.wait(lock, started);
      }
      if (stopping_) return;
      seen = generation_.load();
      take_chunks(thread);
      if (active_.fetch_sub(1) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  // What is to be done; written while no worker is active.
  const Work* work_ = nullptr;
  index_t count_ = 0;
  index_t chunk_ = 1;
  std::atomic<index_t> next_{0};

  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::atomic<unsigned> generation_{0};  // of the work; changed under the mutex
  std::atomic<int> active_{0};           // workers that have not finished it
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

ThreadPool::ThreadPool(int threads) : workers_(std::make_unique<Workers>(threads)), process_(process_id()) {}

ThreadPool::~ThreadPool() {
  // In a forked process, there are no threads that could end, and destroying what they wait for would
  // wait for them.
  if (process_id() != process_) {
    [[maybe_unused]] const Workers* leaked = workers_.release();
  }
}

void ThreadPool::run(index_t count, index_t chunk, const Work& work) { workers_->run(count, chunk, work); }

}  // namespace tilewright::conv
