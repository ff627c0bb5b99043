#include "conv/thread_pool.h"

#include <algorithm>

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

// Waits actively until `condition` holds, for a short time. Returns whether it does.
template <class Condition>
bool spin(const Condition& condition) {
  for (int i = 0; i < kSpins; ++i) {
    if (condition()) return true;
    pause();
  }
  return condition();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work_until_stopped(i); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void ThreadPool::run(index_t count, index_t chunk, const Work& work) {
  work_ = &work;
  count_ = count;
  chunk_ = chunk;
  next_.store(0, std::memory_order_relaxed);
  if (workers_.empty() || count <= chunk) {
    take_chunks(0);
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    active_.store(static_cast<int>(workers_.size()));
    generation_.fetch_add(1);
  }
  start_.notify_all();
  take_chunks(0);
  const auto finished = [this] { return active_.load() == 0; };
  if (spin(finished)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, finished);
}

void ThreadPool::take_chunks(int thread) {
  for (;;) {
    const index_t first = next_.fetch_add(chunk_, std::memory_order_relaxed);
    if (first >= count_) return;
    (*work_)(first, std::min(chunk_, count_ - first), thread);
  }
}

void ThreadPool::work_until_stopped(int thread) {
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

}  // namespace tilewright::conv
