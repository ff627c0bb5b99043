#include <algorithm>
#include <cstdint>

#include "core/pixel_math.h"
#include "cuda/gather.h"
#include "cuda/launch.h"
#include "cuda/vectors.h"

namespace tilewright::cuda {
namespace {

// Of one launch; more tiles take more launches.
constexpr index_t kMostTiles = 64;

// Pixels of a row that one thread turns into planes: 8 bytes of Half.
constexpr int kPixels = 4;

// The widest store.
constexpr int kWidestStore = 16;

struct Origin {
  int x;
  int y;
};

template <class Sample, class Element>
struct GatherArguments {
  Pixels<const Sample> picture;
  Batch<Element> batch;
  int tile_width;
  int tile_height;
  float black;
  float span;
  Border border;
  int planes;
  int channels[kMostPlanes];
  Origin origins[kMostTiles];
};

template <class Sample, class Element>
__device__ Element element_of(Sample sample, float black, float span) {
  // to_network() without its division.
  const float level = static_cast<float>(sample);
  const float share = fmaf(level, kReciprocal<Sample>, level * kReciprocalRest<Sample>);
  return to_element<Element>(share * span + black);
}

template <class Sample>
__device__ const Sample* picture_row(const Pixels<const Sample>& picture, int y, Border border) {
  return picture.data + made_up(y, picture.height, border) * picture.width * picture.channels;
}

template <class Sample>
__device__ index_t sample_of_column(const Pixels<const Sample>& picture, int x, Border border) {
  return made_up(x, picture.width, border) * picture.channels;
}

// Every thread has a few pixels of a row, for all planes.
template <class Sample, class Element>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight)
    gather_planar(const GatherArguments<Sample, Element> arguments) {
  const auto& [picture, batch, tile_width, tile_height, black, span, border, planes, channels, origins] = arguments;
  const int x = thread_column() * kPixels;
  if (x >= tile_width) return;
  const int count = tile_width - x < kPixels ? tile_width - x : kPixels;
  const Origin origin = origins[blockIdx.z];
  Element* const tile = batch.first.data + blockIdx.z * batch.tile_step;

  index_t samples[kPixels];
  for (int i = 0; i < kPixels; ++i) {
    samples[i] = sample_of_column(picture, origin.x + (i < count ? x + i : x), border);
  }
  for (int y = first_thread_row(); y < tile_height; y += thread_row_step()) {
    const Sample* const row = picture_row(picture, origin.y + y, border);
    Element* const target = tile + y * batch.first.steps.row + x;
    for (int plane = 0; plane < planes; ++plane) {
      Element elements[kPixels];
      for (int i = 0; i < kPixels; ++i) {
        elements[i] = element_of<Sample, Element>(row[samples[i] + channels[plane]], black, span);
      }
      put_row(target + plane * batch.first.steps.plane, elements, count);
    }
  }
}

// Elements of one pixel, those beyond the planes as 0.
template <int kCount, class Sample, class Element>
__device__ void gather_pixel(const GatherArguments<Sample, Element>& arguments, const Sample* pixel, Element* target) {
  for (int first = 0; first < arguments.batch.channels; first += kCount) {
    Element elements[kCount];
    for (int i = 0; i < kCount; ++i) {
      const int plane = first + i;
      elements[i] = plane < arguments.planes
                        ? element_of<Sample, Element>(pixel[arguments.channels[plane]], arguments.black, arguments.span)
                        : Element{};
    }
    const int left = arguments.batch.channels - first;
    put_row(target + first, elements, left < kCount ? left : kCount);
  }
}

// Every thread has a pixel.
template <class Sample, class Element>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight)
    gather_interleaved(const GatherArguments<Sample, Element> arguments) {
  constexpr int kWide = kWidestStore / static_cast<int>(sizeof(Element));
  const int x = thread_column();
  if (x >= arguments.tile_width) return;
  const Origin origin = arguments.origins[blockIdx.z];
  const index_t sample = sample_of_column(arguments.picture, origin.x + x, arguments.border);
  Element* const tile = arguments.batch.first.data + blockIdx.z * arguments.batch.tile_step;

  for (int y = first_thread_row(); y < arguments.tile_height; y += thread_row_step()) {
    const Sample* const pixel = picture_row(arguments.picture, origin.y + y, arguments.border) + sample;
    Element* const target = tile + y * arguments.batch.first.steps.row + x * arguments.batch.first.steps.pixel;
    if (arguments.batch.channels % kWide == 0) {
      gather_pixel<kWide>(arguments, pixel, target);
    } else {
      gather_pixel<4>(arguments, pixel, target);
    }
  }
}

}  // namespace

template <class Sample, class Element>
void gather(const Pixels<const Sample>& picture, const TilePlan& plan, index_t first, index_t count,
            const GatherFormat& format, const Batch<Element>& batch, const Stream& stream) {
  const OnDevice on(stream.device());
  GatherArguments<Sample, Element> arguments{};
  arguments.picture = picture;
  arguments.batch = batch;
  arguments.tile_width = static_cast<int>(plan.tile_width());
  arguments.tile_height = static_cast<int>(plan.tile_height());
  arguments.black = format.range.black;
  arguments.span = format.range.white - format.range.black;
  arguments.border = format.border;
  arguments.planes = static_cast<int>(format.channels.size());
  std::transform(format.channels.begin(), format.channels.end(), arguments.channels,
                 [](index_t channel) { return static_cast<int>(channel); });

  const bool planar = batch.channels == 0;
  const index_t threads = planar ? (plan.tile_width() + kPixels - 1) / kPixels : plan.tile_width();
  for (index_t done = 0; done < count; done += kMostTiles) {
    const index_t tiles = std::min(kMostTiles, count - done);
    for (index_t i = 0; i < tiles; ++i) {
      const Tile tile = plan.tile(first + done + i);
      arguments.origins[i] = {static_cast<int>(tile.x.origin), static_cast<int>(tile.y.origin)};
    }
    const cudaLaunchConfig_t config = grid_of(threads, plan.tile_height(), tiles, stream);
    const auto kernel = planar ? &gather_planar<Sample, Element> : &gather_interleaved<Sample, Element>;
    check(cudaLaunchKernelEx(&config, kernel, arguments), "cudaLaunchKernelEx");
    arguments.batch.first.data += tiles * batch.tile_step;
  }
}

cudaError_t find_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&gather_planar<std::uint8_t, Half>));
}

#define TILEWRIGHT_GATHER(SAMPLE, ELEMENT)                                                              \
  template void gather<SAMPLE, ELEMENT>(const Pixels<const SAMPLE>&, const TilePlan&, index_t, index_t, \
                                        const GatherFormat&, const Batch<ELEMENT>&, const Stream&)
TILEWRIGHT_GATHER(std::uint8_t, float);
TILEWRIGHT_GATHER(std::uint8_t, Half);
TILEWRIGHT_GATHER(std::uint16_t, float);
TILEWRIGHT_GATHER(std::uint16_t, Half);
#undef TILEWRIGHT_GATHER

}  // namespace tilewright::cuda
