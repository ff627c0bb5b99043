// The CUDA runtime with exceptions for errors. Every call selects its device, because callers use
// many threads.
#pragma once

#include <cuda_runtime.h>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/types.h"

namespace tilewright::cuda {

class CudaError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

// Throws CudaError unless `error` is cudaSuccess. `call`: name of the function that returned it.
void check(cudaError_t error, const char* call);

// Makes a device the current one of this thread, and restores the previous one on destruction.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int device_;
  int previous_ = 0;
};

// Returns the reason why kernels cannot run on a device, or std::nullopt if they can.
std::optional<std::string> problem(int device);

std::string device_name(int device);

// In bytes.
struct Memory {
  index_t free;
  index_t total;
};
Memory memory(int device);

}  // namespace tilewright::cuda
