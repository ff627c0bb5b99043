// Copies tiles of a picture on a device into a network's input there.
#pragma once

#include "core/gather.h"
#include "core/tile_plan.h"
#include "cuda/stream.h"
#include "cuda/views.h"

namespace tilewright::cuda {

inline constexpr index_t kMaxPlanes = 16;

// Enqueues a gather of `count` tiles, starting with tile `first`, which gives the same values as
// the core's gather().
//
// Preconditions: those of the core's gather(); format.channels has at most kMaxPlanes entries;
// `batch` has room for the tiles. Sample: std::uint8_t or std::uint16_t. Element: float or Half.
template <class Sample, class Element>
void gather(const DeviceImageView<const Sample>& picture, const TilePlan& plan, index_t first, index_t count,
            const GatherFormat& format, const DeviceTensorView<Element>& batch, const Stream& stream);

// Looks up the kernels for the current device. Returns cudaErrorNoKernelImageForDevice if this
// build has none for it.
cudaError_t find_kernels();

}  // namespace tilewright::cuda
