// The kernels of each instruction set.
//
// A kernel processes a range of its task's work items, so that threads can share a task. Every
// output value depends only on the task, not on how it is divided.
#pragma once

#include "conv/rescale.h"
#include "conv/types.h"
#include "core/isa.h"
#include "core/isa_targets.h"

namespace tilewright::conv {

struct Kernels {
  // Output channels that share a block of packed weights.
  index_t out_block;

  // Convolution 3x3 by Winograd's algorithm. The work items are tiles in row-major order. `scratch`
  // holds winograd_scratch() floats, aligned to 64 bytes.
  void (*winograd)(const ConvTask& task, index_t first, index_t count, float* scratch);
  index_t (*winograd_scratch)(const ConvTask& task);

  // Convolution 1x1. The work items are rows. `scratch` holds pixel_scratch() floats.
  void (*pointwise)(const ConvTask& task, index_t first, index_t count, float* scratch);

  // Direct convolution 3x3 of a picture. The work items are rows.
  void (*image)(const ImageTask& task, index_t first, index_t count, float* scratch);
  index_t (*pixel_scratch)(index_t depth);

  // Reduction of the result. The work items are rows of the network's input. `scratch` holds
  // rescale_scratch() floats, aligned to 64 bytes.
  void (*rescale)(const RescaleTask& task, index_t first, index_t count, float* scratch);
  index_t (*rescale_scratch)(const RescaleTask& task);
};

const Kernels& kernels(Isa isa);

namespace scalar {
extern const Kernels kKernels;
}
#if TILEWRIGHT_HAS_X86_KERNELS
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
#endif

}  // namespace tilewright::conv
