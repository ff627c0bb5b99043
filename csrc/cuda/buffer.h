// Owners of device memory and of pinned host memory.
#pragma once

#include <cstddef>

#include "cuda/stream.h"

namespace tilewright::cuda {

class DeviceBuffer {
 public:
  // Throws OutOfMemory if the device does not have enough free memory.
  DeviceBuffer(index_t nbytes, int device);
  ~DeviceBuffer();
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  index_t nbytes() const { return nbytes_; }
  int device() const { return device_; }

 private:
  index_t nbytes_;
  int device_;
  void* data_ = nullptr;
};

// Page-locked host memory, which devices copy to and from asynchronously.
class PinnedBuffer {
 public:
  // Throws OutOfMemory if the host cannot pin that much memory.
  explicit PinnedBuffer(index_t nbytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  index_t nbytes() const { return nbytes_; }

 private:
  index_t nbytes_;
  void* data_ = nullptr;
};

// Enqueue a copy of `nbytes` bytes. Preconditions: the range lies in the buffer; buffer and stream
// are on one device.
void upload(const void* from, index_t nbytes, const DeviceBuffer& to, index_t offset, const Stream& stream);
void download(const DeviceBuffer& from, index_t offset, void* to, index_t nbytes, const Stream& stream);

}  // namespace tilewright::cuda
