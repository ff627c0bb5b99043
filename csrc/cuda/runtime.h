// The CUDA runtime with errors that throw, and a device that is chosen by every call: threads come and go.
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

// Throws CudaError unless `error` is none. `call`: the function that gave it.
void check(cudaError_t error, const char* call);

// Makes a device the current one of this thread, and the one before it again in the end.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int device_;
  int before_ = 0;
};

// Why kernels cannot run on a device, if they cannot.
std::optional<std::string> problem(int device);

std::string device_name(int device);

struct Memory {
  index_t free;
  index_t total;
};
Memory memory(int device);

}  // namespace tilewright::cuda
