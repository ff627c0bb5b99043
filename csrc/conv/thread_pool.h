// Threads that belong to one network.
#pragma once

#include <functional>
#include <memory>

#include "core/types.h"

namespace tilewright::conv {

// Steps of a network take some hundred microseconds, so threads spin for a short time before they
// sleep.
class ThreadPool {
 public:
  // The calling thread of run() is one of the threads. Throws std::system_error if a thread cannot
  // be started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls work(first, count, thread) for ranges that cover 0..count and have at most `chunk` items,
  // and returns when all are done. Only one thread may call run() at a time, in the process that made
  // the pool. `work` must not throw.
  using Work = std::function<void(index_t first, index_t count, int thread)>;
  void run(index_t count, index_t chunk, const Work& work);

 private:
  class Workers;
  std::unique_ptr<Workers> workers_;
  int process_;
};

}  // namespace tilewright::conv
