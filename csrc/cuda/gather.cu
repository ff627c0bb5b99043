#include <algorithm>
#include <cstdint>

#include "core/pixel_math.h"
#include "cuda/gather.h"
#include "cuda/launch.h"
#include "cuda/vectors.h"

namespace tilewright::cuda {
namespace {

// Maximum number of tiles per launch. Larger batches take several launches.
constexpr index_t kMaxTiles = 64;

// Elements that a thread writes at a time: 8 bytes of Half, 16 bytes of float.
constexpr int kVector = 4;

struct Origin {
  int x;
  int y;
};

template <class Sample, class Element>
struct GatherArguments {
  DeviceImageView<const Sample> picture;
  DeviceTensorView<Element> batch;
  int tile_width;
  int tile_height;
  float black;
  float span;
  int planes;
  int channels[kMaxPlanes];
  Origin origins[kMaxTiles];
};

template <class Sample, class Element>
__device__ Element to_batch_element(Sample sample, float black, float span) {
  // Does the same as to_network() without a division.
  const float level = static_cast<float>(sample);
  const float share = fmaf(level, kReciprocalHigh<Sample>, level * kReciprocalLow<Sample>);
  return to_element<Element>(share * span + black);
}

template <class Sample>
__device__ const Sample* picture_row(const DeviceImageView<const Sample>& picture, int y) {
  return picture.data + border_index(y, picture.height) * picture.width * picture.channels;
}

template <class Sample>
__device__ index_t column_offset(const DeviceImageView<const Sample>& picture, int x) {
  return border_index(x, picture.width) * picture.channels;
}

// For planar batches. Each thread handles kVector pixels of a row, for all planes.
template <class Sample, class Element>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight)
    gather_planar(const GatherArguments<Sample, Element> arguments) {
  const auto& [picture, batch, tile_width, tile_height, black, span, planes, channels, origins] = arguments;
  const int x = thread_column() * kVector;
  if (x >= tile_width) return;
  const int count = tile_width - x < kVector ? tile_width - x : kVector;
  const Origin origin = origins[blockIdx.z];
  Element* const tile = batch.data + blockIdx.z * batch.strides.tile;

  index_t offsets[kVector];
  for (int i = 0; i < kVector; ++i) offsets[i] = column_offset(picture, origin.x + (i < count ? x + i : x));
  for (int y = first_thread_row(); y < tile_height; y += thread_row_step()) {
    const Sample* const row = picture_row(picture, origin.y + y);
    Element* const target = tile + y * batch.strides.row + x;
    for (int plane = 0; plane < planes; ++plane) {
      Element elements[kVector];
      for (int i = 0; i < kVector; ++i) {
        elements[i] = to_batch_element<Sample, Element>(row[offsets[i] + channels[plane]], black, span);
      }
      store_row(target + plane * batch.strides.plane, elements, count);
    }
  }
}

// For interleaved batches. Each thread handles all planes of one pixel, kVector at a time.
template <class Sample, class Element>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight)
    gather_interleaved(const GatherArguments<Sample, Element> arguments) {
  const auto& [picture, batch, tile_width, tile_height, black, span, planes, channels, origins] = arguments;
  const int x = thread_column();
  if (x >= tile_width) return;
  const Origin origin = origins[blockIdx.z];
  const index_t offset = column_offset(picture, origin.x + x);
  Element* const tile = batch.data + blockIdx.z * batch.strides.tile;

  for (int y = first_thread_row(); y < tile_height; y += thread_row_step()) {
    const Sample* const pixel = picture_row(picture, origin.y + y) + offset;
    Element* const target = tile + y * batch.strides.row + x * batch.strides.pixel;
    for (int first = 0; first < planes; first += kVector) {
      const int count = planes - first < kVector ? planes - first : kVector;
      Element elements[kVector] = {};
      for (int i = 0; i < kVector; ++i) {
        if (i < count) elements[i] = to_batch_element<Sample, Element>(pixel[channels[first + i]], black, span);
      }
      store_row(target + first, elements, count);
    }
  }
}

}  // namespace

template <class Sample, class Element>
void gather(const DeviceImageView<const Sample>& picture, const TilePlan& plan, index_t first, index_t count,
            const GatherFormat& format, const DeviceTensorView<Element>& batch, const Stream& stream) {
  const DeviceGuard guard(stream.device());
  GatherArguments<Sample, Element> arguments{};
  arguments.picture = picture;
  arguments.batch = batch;
  arguments.tile_width = static_cast<int>(plan.tile_width());
  arguments.tile_height = static_cast<int>(plan.tile_height());
  arguments.black = format.range.black;
  arguments.span = format.range.white - format.range.black;
  arguments.planes = static_cast<int>(format.channels.size());
  std::transform(format.channels.begin(), format.channels.end(), arguments.channels,
                 [](index_t channel) { return static_cast<int>(channel); });

  const bool is_planar = batch.strides.pixel == 1;
  const index_t threads = is_planar ? (plan.tile_width() + kVector - 1) / kVector : plan.tile_width();
  for (index_t done = 0; done < count; done += kMaxTiles) {
    const index_t tiles = std::min(kMaxTiles, count - done);
    for (index_t i = 0; i < tiles; ++i) {
      const Tile tile = plan.tile(first + done + i);
      arguments.origins[i] = {static_cast<int>(tile.x.origin), static_cast<int>(tile.y.origin)};
    }
    const cudaLaunchConfig_t config = launch_config(threads, plan.tile_height(), tiles, stream);
    const auto kernel = is_planar ? &gather_planar<Sample, Element> : &gather_interleaved<Sample, Element>;
    check(cudaLaunchKernelEx(&config, kernel, arguments), "cudaLaunchKernelEx");
    arguments.batch.data += tiles * batch.strides.tile;
  }
}

cudaError_t find_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&gather_planar<std::uint8_t, Half>));
}

#define TILEWRIGHT_INSTANTIATE_GATHER(SAMPLE, ELEMENT)                                                           \
  template void gather<SAMPLE, ELEMENT>(const DeviceImageView<const SAMPLE>&, const TilePlan&, index_t, index_t, \
                                        const GatherFormat&, const DeviceTensorView<ELEMENT>&, const Stream&)
TILEWRIGHT_INSTANTIATE_GATHER(std::uint8_t, float);
TILEWRIGHT_INSTANTIATE_GATHER(std::uint8_t, Half);
TILEWRIGHT_INSTANTIATE_GATHER(std::uint16_t, float);
TILEWRIGHT_INSTANTIATE_GATHER(std::uint16_t, Half);
#undef TILEWRIGHT_INSTANTIATE_GATHER

}  // namespace tilewright::cuda
