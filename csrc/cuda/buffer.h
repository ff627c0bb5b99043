// Owners of memory on a device, and of memory of the host that a device reaches.
#pragma once

#include <cstddef>

#include "cuda/stream.h"

namespace tilewright::cuda {

class DeviceBuffer {
 public:
  // Throws OutOfMemory when the device has not as much.
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

class PinnedBuffer {
 public:
  // Throws OutOfMemory when the host has not as much to pin.
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

// Put the copy of a range of bytes on a stream. Preconditions: the range lies in the buffer, and all are on one device.
void upload(const void* from, index_t nbytes, const DeviceBuffer& to, index_t offset, const Stream& stream);
void download(const DeviceBuffer& from, index_t offset, void* to, index_t nbytes, const Stream& stream);

}  // namespace tilewright::cuda
