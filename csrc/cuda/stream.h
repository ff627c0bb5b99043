// Owners of streams and events.
#pragma once

#include "cuda/runtime.h"

namespace tilewright::cuda {

class Event;

// Does not wait for the default stream, and that one does not wait for it.
class Stream {
 public:
  explicit Stream(int device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t handle() const { return handle_; }
  int device() const { return device_; }

  void synchronize() const;
  // Later work waits for what the event has recorded. This call does not.
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

  void record(const Stream& stream);
  void synchronize() const;
  float elapsed_ms(const Event& since) const;

 private:
  int device_;
  cudaEvent_t handle_ = nullptr;
};

}  // namespace tilewright::cuda
