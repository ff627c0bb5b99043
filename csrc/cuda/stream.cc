#include "cuda/stream.h"

namespace tilewright::cuda {

Stream::Stream(int device) : device_(device) {
  const DeviceGuard guard(device);
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Stream::~Stream() { cudaStreamDestroy(handle_); }

void Stream::synchronize() const { check(cudaStreamSynchronize(handle_), "cudaStreamSynchronize"); }

void Stream::wait(const Event& event) const {
  check(cudaStreamWaitEvent(handle_, event.handle(), cudaEventWaitDefault), "cudaStreamWaitEvent");
}

Event::Event(int device) : device_(device) {
  const DeviceGuard guard(device);
  check(cudaEventCreateWithFlags(&handle_, cudaEventDefault), "cudaEventCreateWithFlags");
}

Event::~Event() { cudaEventDestroy(handle_); }

void Event::record(const Stream& stream) {
  const DeviceGuard guard(device_);
  check(cudaEventRecord(handle_, stream.handle()), "cudaEventRecord");
}

void Event::synchronize() const { check(cudaEventSynchronize(handle_), "cudaEventSynchronize"); }

float Event::elapsed_ms(const Event& since) const {
  float milliseconds = 0.0F;
  check(cudaEventElapsedTime(&milliseconds, since.handle(), handle_), "cudaEventElapsedTime");
  return milliseconds;
}

}  // namespace tilewright::cuda
