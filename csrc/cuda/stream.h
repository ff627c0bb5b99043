// Owners of CUDA streams and events.
#pragma once

#include "cuda/runtime.h"

namespace tilewright::cuda {

class Event;

// A stream that does not synchronise with the default stream.
class Stream {
 public:
  explicit Stream(int device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t handle() const { return handle_; }
  int device() const { return device_; }

  // Waits until all enqueued work is done.
  void synchronize() const;
  // Makes work that is enqueued later wait for the event. Returns at once.
  void wait(const Event& event) const;

 private:
  int device_;
  cudaStream_t handle_ = nullptr;
};

class Event {
 public:
  explicit Event(int device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  cudaEvent_t handle() const { return handle_; }

  // Marks the current end of a stream's work.
  void record(const Stream& stream);
  // Waits until the work before the last record() is done. Returns at once if there was none.
  void synchronize() const;
  // Milliseconds from `since` to this event. Both must be recorded and done.
  float elapsed_ms(const Event& since) const;

 private:
  int device_;
  cudaEvent_t handle_ = nullptr;
};

}  // namespace tilewright::cuda
