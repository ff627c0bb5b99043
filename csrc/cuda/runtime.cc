#include "cuda/runtime.h"

#include "cuda/gather.h"

namespace tilewright::cuda {
namespace {

// The lowest major compute capability that the kernels are compiled for.
constexpr int kMinMajor = 8;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string error_text(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + " (" + std::to_string(static_cast<int>(error)) +
         "): " + cudaGetErrorString(error);
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

}  // namespace

void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // clears the error, which the next call would return otherwise
  throw CudaError(std::string(call) + " failed with " + error_text(error));
}

DeviceGuard::DeviceGuard(int device) : device_(device) {
  check(cudaGetDevice(&previous_), "cudaGetDevice");
  if (device_ != previous_) check(cudaSetDevice(device_), "cudaSetDevice");
}

DeviceGuard::~DeviceGuard() {
  if (device_ != previous_) cudaSetDevice(previous_);
}

std::optional<std::string> problem(int device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver) {
    return "there is no NVIDIA driver, or it is too old for CUDA " + version_text(CUDART_VERSION);
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
    return "the NVIDIA driver finds no CUDA device";
  if (error != cudaSuccess) return "CUDA initialisation failed: " + error_text(error);
  if (device < 0 || device >= count) {
    return "there is no CUDA device " + std::to_string(device) + "; valid devices are 0 to " +
           std::to_string(count - 1);
  }
  try {
    const int major = attribute(cudaDevAttrComputeCapabilityMajor, device);
    const int minor = attribute(cudaDevAttrComputeCapabilityMinor, device);
    const std::string capability = std::to_string(major) + "." + std::to_string(minor);
    if (major < kMinMajor) {
      return device_name(device) + " has compute capability " + capability + "; " + std::to_string(kMinMajor) +
             ".0 or higher is required";
    }
    const DeviceGuard guard(device);
    const cudaError_t code = find_kernels();
    cudaGetLastError();
    if (code == cudaErrorNoKernelImageForDevice) {
      return "this build has no kernels for " + device_name(device) + " (compute capability " + capability + ")";
    }
    check(code, "cudaFuncGetAttributes");
  } catch (const CudaError& failure) {
    return failure.what();
  }
  return std::nullopt;
}

std::string device_name(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties.name;
}

Memory memory(int device) {
  const DeviceGuard guard(device);
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return {static_cast<index_t>(free), static_cast<index_t>(total)};
}

}  // namespace tilewright::cuda
