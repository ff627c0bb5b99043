#include <cstdint>

#include "core/pixel_math.h"
#include "cuda/blend.h"
#include "cuda/launch.h"
#include "cuda/vectors.h"

namespace tilewright::cuda {
namespace {

// Adjacent pixels of a row that one thread handles: three words of 8-bit RGB. Groups start at
// multiples of this number, so the first and the last group of a row may be incomplete.
constexpr int kPixels = 4;

// Minimum number of resident blocks per multiprocessor. Without it the compiler uses so many
// registers that only two fit.
constexpr int kMinBlocks = 4;

// Pixels [first, last) of a group.
struct Range {
  int first;
  int last;

  __device__ bool contains(int i) const { return i >= first && i < last; }
  __device__ bool is_whole() const { return first == 0 && last == kPixels; }
};

// Loads the values of `range` from a result without a pixel shuffle.
template <class Element>
__device__ void load_plain(const DeviceTensorView<const Element>& result, int plane, int y, int x, Range range,
                           float (&values)[kPixels]) {
  const TensorStrides& strides = result.strides;
  const Element* const from = result.data + plane * strides.plane + y * strides.row + x * strides.pixel;
  if (range.is_whole() && strides.pixel == 1 && is_row_aligned<kPixels>(from)) {
    Element elements[kPixels];
    load_row(from, elements);
    for (int i = 0; i < kPixels; ++i) values[i] = to_float(elements[i]);
    return;
  }
  for (int i = 0; i < kPixels; ++i) {
    if (range.contains(i)) values[i] = to_float(from[i * strides.pixel]);
  }
}

// Loads the values of `range` through a pixel shuffle. Each pixel of the result holds shuffle x
// shuffle pixels of every plane, row by row.
template <class Element>
__device__ void load_shuffled(const DeviceTensorView<const Element>& result, int shuffle, int plane, int y, int x,
                              Range range, float (&values)[kPixels]) {
  const TensorStrides& strides = result.strides;
  const Element* const from = result.data +
                              static_cast<index_t>(plane * shuffle + y % shuffle) * shuffle * strides.plane +
                              y / shuffle * strides.row;
  int column = (x + range.first) / shuffle;
  int k = (x + range.first) % shuffle;
  const Element* const first = from + column * strides.pixel + k * strides.plane;
  if (range.is_whole() && strides.plane == 1 && k + kPixels <= shuffle && is_row_aligned<kPixels>(first)) {
    Element elements[kPixels];
    load_row(first, elements);
    for (int i = 0; i < kPixels; ++i) values[i] = to_float(elements[i]);
    return;
  }
  for (int i = 0; i < kPixels; ++i) {
    if (!range.contains(i)) continue;
    values[i] = to_float(from[column * strides.pixel + k * strides.plane]);
    if (++k == shuffle) {
      k = 0;
      ++column;
    }
  }
}

__device__ inline float base_value(const AnyDeviceTensorView& base, index_t offset) {
  return base.is_half ? to_float(static_cast<const Half*>(base.data)[offset])
                      : static_cast<const float*>(base.data)[offset];
}

__device__ inline void add_base(const AnyDeviceTensorView& base, int shuffle, int plane, int y, int x, Range range,
                                float (&values)[kPixels]) {
  const index_t row = plane * base.strides.plane + y / shuffle * base.strides.row;
  for (int i = 0; i < kPixels; ++i) {
    if (range.contains(i)) values[i] += base_value(base, row + (x + i) / shuffle * base.strides.pixel);
  }
}

// A thread's group of pixels in one output row.
struct Group {
  int row;
  int column;   // of the first pixel
  Range used;   // pixels of this tile that contribute to the output
  Range owned;  // the same without those that are only kept for the next tile
};

// Loads the values of one plane, cross-fades them with earlier tiles and keeps those that the next
// tile needs. Returns the number of non-finite values.
template <class Element, class Sample>
__device__ int fade(const BlendArguments<Element, Sample>& blend, int plane, const Group& group,
                    float (&values)[kPixels]) {
  const int y = group.row - blend.y.origin;
  const int x = group.column - blend.x.origin;
  if (blend.shuffle == 1) {
    load_plain(blend.result, plane, y, x, group.used, values);
  } else {
    load_shuffled(blend.result, blend.shuffle, plane, y, x, group.used, values);
  }
  if (blend.base.data != nullptr) add_base(blend.base, blend.shuffle, plane, y, x, group.used, values);

  const bool fades_in = group.row < blend.y.begin + blend.y.lead;
  const index_t strip = (static_cast<index_t>(plane) * blend.tile_height + y) * blend.feather;
  int nonfinite = 0;
  for (int i = 0; i < kPixels; ++i) {
    if (!group.used.contains(i)) continue;
    const int column = group.column + i;
    nonfinite += is_finite(values[i]) ? 0 : 1;
    if (column >= blend.x.end) {
      store(blend.columns.outgoing + strip + (column - blend.x.end), values[i]);
      continue;
    }
    const int lead_column = column - blend.x.begin;
    if (lead_column < blend.x.lead) {
      values[i] = cross_fade(blend.columns.incoming[strip + lead_column], values[i], blend.ramp[lead_column]);
    }
    if (fades_in) {
      const int lead_row = group.row - blend.y.begin;
      const index_t above = (static_cast<index_t>(plane) * blend.feather + lead_row) * blend.width + column;
      values[i] = cross_fade(blend.rows.incoming[above], values[i], blend.ramp[lead_row]);
    }
  }
  return nonfinite;
}

// Keeps the owned values of a row for the tile below.
template <class Element, class Sample>
__device__ void keep_row(const BlendArguments<Element, Sample>& blend, int plane, const Group& group,
                         const float (&values)[kPixels]) {
  const int trail_row = group.row - blend.y.end;
  float* const kept =
      blend.rows.outgoing + (static_cast<index_t>(plane) * blend.feather + trail_row) * blend.width + group.column;
  for (int i = 0; i < kPixels; ++i) {
    if (group.owned.contains(i)) store(kept + i, values[i]);
  }
}

// Converts the owned values to samples and writes them to the target.
template <int kPlanes, int kChannels, class Element, class Sample>
__device__ void store_samples(const BlendArguments<Element, Sample>& blend, const Group& group,
                              const float (&values)[kPlanes][kPixels]) {
  Sample samples[kPixels * kChannels];
  for (int i = 0; i < kPixels; ++i) {
    if constexpr (kChannels < kPlanes) {
      samples[i] = to_sample<Sample>(mean_of(values[0][i], values[1][i], values[2][i]), blend.black, blend.gain);
    } else {
      for (int channel = 0; channel < kChannels; ++channel) {
        samples[i * kChannels + channel] = to_sample<Sample>(values[channel][i], blend.black, blend.gain);
      }
    }
  }
  const index_t pixel = static_cast<index_t>(group.row - blend.y.begin) * blend.width + group.column;
  Sample* const target = blend.target + pixel * blend.target_channels;
  if (group.owned.is_whole() && blend.target_channels == kChannels) {
    store_row(target, samples, kPixels * kChannels);
    return;
  }
  for (int i = 0; i < kPixels; ++i) {
    if (!group.owned.contains(i)) continue;
    for (int channel = 0; channel < kChannels; ++channel) {
      store(target + i * blend.target_channels + channel, samples[i * kChannels + channel]);
    }
  }
}

// Each thread computes and writes kPixels adjacent output pixels of every row that it handles.
template <int kPlanes, int kChannels, class Element, class Sample>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight, kMinBlocks)
    blend_tile(const BlendArguments<Element, Sample> blend) {
  const int column = (blend.x.begin / kPixels + thread_column()) * kPixels;
  const Range used{blend.x.begin > column ? blend.x.begin - column : 0,
                   blend.x.end + blend.x.trail - column < kPixels ? blend.x.end + blend.x.trail - column : kPixels};
  const Range owned{used.first, blend.x.end - column < used.last ? blend.x.end - column : used.last};
  if (used.last <= 0) return;
  int nonfinite = 0;
  for (int row = blend.y.begin + first_thread_row(); row < blend.y.end + blend.y.trail; row += thread_row_step()) {
    const Group group{row, column, used, owned};
    float values[kPlanes][kPixels] = {};
    for (int plane = 0; plane < kPlanes; ++plane) nonfinite += fade(blend, plane, group, values[plane]);
    if (row < blend.y.end) {
      store_samples<kPlanes, kChannels>(blend, group, values);
    } else {
      for (int plane = 0; plane < kPlanes; ++plane) keep_row(blend, plane, group, values[plane]);
    }
  }
  if (nonfinite > 0) atomicAdd(blend.nonfinite, static_cast<unsigned long long>(nonfinite));
}

}  // namespace

template <class Element, class Sample>
void blend(const BlendArguments<Element, Sample>& arguments, index_t planes, index_t channels, const Stream& stream) {
  const DeviceGuard guard(stream.device());
  check(cudaMemsetAsync(arguments.nonfinite, 0, sizeof(*arguments.nonfinite), stream.handle()), "cudaMemsetAsync");
  const index_t first = arguments.x.begin / kPixels;
  const index_t last = (arguments.x.end + arguments.x.trail + kPixels - 1) / kPixels;
  const index_t height = arguments.y.end + arguments.y.trail - arguments.y.begin;
  const cudaLaunchConfig_t config = launch_config(last - first, height, 1, stream);
  auto kernel = &blend_tile<3, 3, Element, Sample>;
  if (channels < planes) kernel = &blend_tile<3, 1, Element, Sample>;
  if (planes == 1) kernel = &blend_tile<1, 1, Element, Sample>;
  check(cudaLaunchKernelEx(&config, kernel, arguments), "cudaLaunchKernelEx");
}

#define TILEWRIGHT_INSTANTIATE_BLEND(ELEMENT, SAMPLE) \
  template void blend<ELEMENT, SAMPLE>(const BlendArguments<ELEMENT, SAMPLE>&, index_t, index_t, const Stream&)
TILEWRIGHT_INSTANTIATE_BLEND(float, std::uint8_t);
TILEWRIGHT_INSTANTIATE_BLEND(float, std::uint16_t);
TILEWRIGHT_INSTANTIATE_BLEND(Half, std::uint8_t);
TILEWRIGHT_INSTANTIATE_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_INSTANTIATE_BLEND

}  // namespace tilewright::cuda
