#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>

#include "testing/emulated_device.h"

struct EmulatedStream {};
struct EmulatedEvent {
  std::optional<std::chrono::steady_clock::time_point> recorded;
};

namespace tilewright::testing {
namespace {

// The alignment that cudaMalloc() guarantees.
constexpr std::align_val_t kAlignment{256};

// The content of new memory, which no test could take for a result.
constexpr int kPoison = 0xA5;

constexpr unsigned int kMaxGridHeight = 65535;
constexpr unsigned int kMaxBlockThreads = 1024;

struct Allocation {
  std::size_t bytes;
  int device;
};

struct Watch {
  std::uintptr_t from = 0;
  std::vector<std::uint8_t> counts;
};

std::mutex mutex;  // guards the variables below
Machine machine;
std::map<const void*, Allocation> allocations;
std::map<std::string, int> failures;
Watch watched;

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t set_last_error(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// Returns the error that fail_next() has set for a call, or cudaSuccess.
cudaError_t injected_error(const char* call) {
  const std::lock_guard lock(mutex);
  const auto failure = failures.find(call);
  if (failure == failures.end()) return cudaSuccess;
  const auto error = static_cast<cudaError_t>(failure->second);
  failures.erase(failure);
  return set_last_error(error);
}

std::size_t allocated_bytes(int device) {
  std::size_t bytes = 0;
  for (const auto& [data, allocation] : allocations) bytes += allocation.device == device ? allocation.bytes : 0;
  return bytes;
}

void* allocate_poisoned(std::size_t bytes) {
  void* const data = ::operator new(bytes, kAlignment, std::nothrow);
  if (data != nullptr) std::memset(data, kPoison, bytes);
  return data;
}

}  // namespace

void set_machine(const Machine& wanted) {
  const std::lock_guard lock(mutex);
  machine = wanted;
  failures.clear();
}

void fail_next(const std::string& call, int error) {
  const std::lock_guard lock(mutex);
  failures[call] = error;
}

void watch(const void* from, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  watched.from = reinterpret_cast<std::uintptr_t>(from);
  watched.counts.assign(bytes, 0);
}

std::vector<std::uint8_t> writes() {
  const std::lock_guard lock(mutex);
  return watched.counts;
}

void record_write(const void* at, std::size_t bytes) {
  // Without a lock, for speed. Only one thread launches kernels while a test watches.
  if (watched.counts.empty()) return;
  // The difference wraps around to a large number for addresses before the range.
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(at) - watched.from;
  for (std::uintptr_t i = begin; i < begin + bytes; ++i) {
    if (i < watched.counts.size() && watched.counts[i] < 255) ++watched.counts[i];
  }
}

cudaError_t check_launch(const cudaLaunchConfig_t& config) {
  if (const cudaError_t error = injected_error("cudaLaunchKernelEx"); error != cudaSuccess) return error;
  const dim3& grid = config.gridDim;
  const dim3& block = config.blockDim;
  const bool possible = grid.x > 0 && grid.x <= 0x7FFFFFFFU && grid.y > 0 && grid.y <= kMaxGridHeight && grid.z > 0 &&
                        grid.z <= kMaxGridHeight && block.x * block.y * block.z > 0 &&
                        block.x * block.y * block.z <= kMaxBlockThreads;
  return possible ? cudaSuccess : set_last_error(cudaErrorInvalidConfiguration);
}

}  // namespace tilewright::testing

using namespace tilewright::testing;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    default:
      return "cudaErrorUnknown";
  }
}

const char* cudaGetErrorString(cudaError_t) { return "an emulated error"; }

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine.devices;
  return set_last_error(static_cast<cudaError_t>(machine.driver_error));
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return injected_error("cudaGetDevice");
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= machine.devices) return set_last_error(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? machine.major : machine.minor;
  return injected_error("cudaDeviceGetAttribute");
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= machine.devices) return set_last_error(cudaErrorInvalidDevice);
  std::strcpy(properties->name, "Emulated");
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(mutex);
  const std::size_t used = allocated_bytes(current_device);
  *total = machine.memory;
  *free = used < machine.memory ? machine.memory - used : 0;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) {
  return machine.has_kernels ? cudaSuccess : set_last_error(cudaErrorNoKernelImageForDevice);
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (const cudaError_t error = injected_error("cudaMalloc"); error != cudaSuccess) return error;
  const std::lock_guard lock(mutex);
  const std::size_t used = allocated_bytes(current_device);
  if (used > machine.memory || bytes > machine.memory - used) return set_last_error(cudaErrorMemoryAllocation);
  *data = allocate_poisoned(bytes);
  if (*data == nullptr) return set_last_error(cudaErrorMemoryAllocation);
  allocations[*data] = {bytes, current_device};
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  const std::lock_guard lock(mutex);
  allocations.erase(data);
  ::operator delete(data, kAlignment);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned int) {
  if (const cudaError_t error = injected_error("cudaHostAlloc"); error != cudaSuccess) return error;
  *data = allocate_poisoned(bytes);
  return *data == nullptr ? set_last_error(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void* data) {
  ::operator delete(data, kAlignment);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (const cudaError_t error = injected_error("cudaMemcpyAsync"); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return injected_error("cudaMemsetAsync");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return injected_error("cudaStreamSynchronize"); }

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) {
  return injected_error("cudaStreamWaitEvent");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->recorded = std::chrono::steady_clock::now();
  return injected_error("cudaEventRecord");
}

cudaError_t cudaEventSynchronize(cudaEvent_t) { return injected_error("cudaEventSynchronize"); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->recorded || !end->recorded) return set_last_error(cudaErrorInvalidValue);
  *milliseconds = std::chrono::duration<float, std::milli>(*end->recorded - *begin->recorded).count();
  return cudaSuccess;
}
