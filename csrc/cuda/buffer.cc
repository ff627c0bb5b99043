#include "cuda/buffer.h"

namespace tilewright::cuda {

DeviceBuffer::DeviceBuffer(index_t nbytes, int device) : nbytes_(nbytes), device_(device) {
  const DeviceGuard guard(device);
  const cudaError_t error = cudaMalloc(&data_, static_cast<std::size_t>(nbytes));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    const Memory available = memory(device);
    throw OutOfMemory("cannot allocate " + std::to_string(nbytes) + " bytes on CUDA device " + std::to_string(device) +
                      ": " + std::to_string(available.free) + " of " + std::to_string(available.total) +
                      " bytes are free");
  }
  check(error, "cudaMalloc");
}

DeviceBuffer::~DeviceBuffer() { cudaFree(data_); }

PinnedBuffer::PinnedBuffer(index_t nbytes) : nbytes_(nbytes) {
  const cudaError_t error = cudaHostAlloc(&data_, static_cast<std::size_t>(nbytes), cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfMemory("cannot pin " + std::to_string(nbytes) + " bytes of host memory");
  }
  check(error, "cudaHostAlloc");
}

PinnedBuffer::~PinnedBuffer() { cudaFreeHost(data_); }

void upload(const void* from, index_t nbytes, const DeviceBuffer& to, index_t offset, const Stream& stream) {
  const DeviceGuard guard(stream.device());
  check(cudaMemcpyAsync(to.data() + offset, from, static_cast<std::size_t>(nbytes), cudaMemcpyHostToDevice,
                        stream.handle()),
        "cudaMemcpyAsync");
}

void download(const DeviceBuffer& from, index_t offset, void* to, index_t nbytes, const Stream& stream) {
  const DeviceGuard guard(stream.device());
  check(cudaMemcpyAsync(to, from.data() + offset, static_cast<std::size_t>(nbytes), cudaMemcpyDeviceToHost,
                        stream.handle()),
        "cudaMemcpyAsync");
}

}  // namespace tilewright::cuda
