// Threads that belong to one network.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/types.h"

namespace tilewright::conv {

// Steps of a network take some hundred microseconds, so threads wait actively for the next one for
// a short time before they sleep.
class ThreadPool {
 public:
  // The calling thread of run() is one of the threads. Throws std::system_error if a thread cannot
  // be started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls work(first, count, thread) for ranges that cover 0..count and have at most `chunk` items,
  // and returns when all are done. Only one thread may call run() at a time. `work` must not throw.
  using Work = std::function<void(index_t first, index_t count, int thread)>;
  void run(index_t count, index_t chunk, const Work& work);

 private:
  void work_until_stopped(int thread);
  void take_chunks(int thread);
  void stop();

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
  std::vector<std::thread> workers_;
};

}  // namespace tilewright::conv
