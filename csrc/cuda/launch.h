// Grids of thread blocks for rectangles of work.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/stream.h"

namespace tilewright::cuda {

// A block is one warp wide, so that a warp accesses adjacent memory.
inline constexpr int kBlockWidth = 32;
inline constexpr int kBlockHeight = 8;

// CUDA's limit for a grid's height. For taller rectangles, each thread continues with rows that are
// a grid's height apart.
inline constexpr index_t kMaxGridHeight = 65535;

// Returns a launch configuration with one thread per element of `layers` rectangles of `width` x
// `height`.
inline cudaLaunchConfig_t launch_config(index_t width, index_t height, index_t layers, const Stream& stream) {
  cudaLaunchConfig_t config{};
  config.blockDim = dim3(kBlockWidth, kBlockHeight);
  config.gridDim = dim3(static_cast<unsigned>((width + kBlockWidth - 1) / kBlockWidth),
                        static_cast<unsigned>(std::min((height + kBlockHeight - 1) / kBlockHeight, kMaxGridHeight)),
                        static_cast<unsigned>(layers));
  config.stream = stream.handle();
  return config;
}

#if defined(__CUDACC__) || defined(TILEWRIGHT_CUDA_EMULATED)
__device__ inline int thread_column() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }
__device__ inline int first_thread_row() { return static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y); }
__device__ inline int thread_row_step() { return static_cast<int>(gridDim.y * blockDim.y); }
#endif

}  // namespace tilewright::cuda
