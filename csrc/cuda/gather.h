// Tiles of a picture on a device, as the batch a network eats there.
#pragma once

#include "core/gather.h"
#include "core/tile_plan.h"
#include "cuda/stream.h"
#include "cuda/views.h"

namespace tilewright::cuda {

inline constexpr index_t kMostPlanes = 16;

// Where a batch's tiles go: `first`'s elements, and as many tiles behind it as there are, `tile_step` elements apart.
template <class Element>
struct Batch {
  TensorTile<Element> first;
  index_t tile_step;
  int channels;  // of a stored pixel: 0 where planes lie one after the other
};

// As the core's gather, for `count` tiles from `first` on. Channels of a stored pixel beyond the planes become 0.
// Preconditions: as there; at most kMostPlanes planes; tile sizes times elements fit the batch.
template <class Sample, class Element>
void gather(const Pixels<const Sample>& picture, const TilePlan& plan, index_t first, index_t count,
            const GatherFormat& format, const Batch<Element>& batch, const Stream& stream);

// Whether the kernels are there for the current device: cudaErrorNoKernelImageForDevice when they are not.
cudaError_t find_kernels();

}  // namespace tilewright::cuda
