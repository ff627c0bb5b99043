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

namespace tilewright::cuda::emulated {
namespace {

// As cudaMalloc promises.
constexpr std::align_val_t kAlignment{256};

// What new memory holds: nothing that a test could take for a result.
constexpr int kPoison = 0xA5;

constexpr unsigned int kMostGridRows = 65535;
constexpr unsigned int kMostBlockThreads = 1024;

struct Allocation {
  std::size_t bytes;
  int device;
};

struct Watch {
  std::uintptr_t from = 0;
  std::vector<std::uint8_t> counts;
};

std::mutex mutex;  // guards all below
Machine machine;
std::map<const void*, Allocation> allocations;
std::map<std::string, int> failures;
Watch watched;

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t answer(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// The error that a test has asked for, else none.
cudaError_t asked_of(const char* call) {
  const std::lock_guard lock(mutex);
  const auto failure = failures.find(call);
  if (failure == failures.end()) return cudaSuccess;
  const auto error = static_cast<cudaError_t>(failure->second);
  failures.erase(failure);
  return answer(error);
}

std::size_t taken(int device) {
  std::size_t bytes = 0;
  for (const auto& [data, allocation] : allocations) bytes += allocation.device == device ? allocation.bytes : 0;
  return bytes;
}

void* poisoned(std::size_t bytes) {
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

void note_write(const void* at, std::size_t bytes) {
  // Not locked, for its speed: only one thread launches kernels while a test watches.
  if (watched.counts.empty()) return;
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(at) - watched.from;  // below `from` it is huge
  for (std::uintptr_t i = begin; i < begin + bytes; ++i) {
    if (i < watched.counts.size() && watched.counts[i] < 255) ++watched.counts[i];
  }
}

cudaError_t check_launch(const cudaLaunchConfig_t& config) {
  if (const cudaError_t error = asked_of("cudaLaunchKernelEx"); error != cudaSuccess) return error;
  const dim3& grid = config.gridDim;
  const dim3& block = config.blockDim;
  const bool possible = grid.x > 0 && grid.x <= 0x7FFFFFFFU && grid.y > 0 && grid.y <= kMostGridRows && grid.z > 0 &&
                        grid.z <= kMostGridRows && block.x * block.y * block.z > 0 &&
                        block.x * block.y * block.z <= kMostBlockThreads;
  return possible ? cudaSuccess : answer(cudaErrorInvalidConfiguration);
}

}  // namespace tilewright::cuda::emulated

using namespace tilewright::cuda::emulated;

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
  return answer(static_cast<cudaError_t>(machine.driver_error));
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return asked_of("cudaGetDevice");
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= machine.devices) return answer(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? machine.major : machine.minor;
  return asked_of("cudaDeviceGetAttribute");
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= machine.devices) return answer(cudaErrorInvalidDevice);
  std::strcpy(properties->name, "Emulated");
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const std::lock_guard lock(mutex);
  const std::size_t used = taken(current_device);
  *total = machine.memory;
  *free = used < machine.memory ? machine.memory - used : 0;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) {
  return machine.has_kernels ? cudaSuccess : answer(cudaErrorNoKernelImageForDevice);
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (const cudaError_t error = asked_of("cudaMalloc"); error != cudaSuccess) return error;
  const std::lock_guard lock(mutex);
  const std::size_t used = taken(current_device);
  if (used > machine.memory || bytes > machine.memory - used) return answer(cudaErrorMemoryAllocation);
  *data = poisoned(bytes);
  if (*data == nullptr) return answer(cudaErrorMemoryAllocation);
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
  if (const cudaError_t error = asked_of("cudaHostAlloc"); error != cudaSuccess) return error;
  *data = poisoned(bytes);
  return *data == nullptr ? answer(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void* data) {
  ::operator delete(data, kAlignment);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (const cudaError_t error = asked_of("cudaMemcpyAsync"); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return asked_of("cudaMemsetAsync");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return asked_of("cudaStreamSynchronize"); }

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) { return asked_of("cudaStreamWaitEvent"); }

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
  return asked_of("cudaEventRecord");
}

cudaError_t cudaEventSynchronize(cudaEvent_t) { return asked_of("cudaEventSynchronize"); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->recorded || !end->recorded) return answer(cudaErrorInvalidValue);
  *milliseconds = std::chrono::duration<float, std::milli>(*end->recorded - *begin->recorded).count();
  return cudaSuccess;
}
