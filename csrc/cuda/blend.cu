#include <cstdint>

#include "core/pixel_math.h"
#include "cuda/blend.h"
#include "cuda/launch.h"
#include "cuda/vectors.h"

namespace tilewright::cuda {
namespace {

// Adjacent pixels of a row that one thread has: three words of 8-bit RGB. They begin at multiples of their number, so
// that the first and the last few of a row may not be there.
constexpr int kPixels = 4;

// Blocks that a multiprocessor has at once, at the least: left alone the compiler takes registers for two.
constexpr int kBlocksAtOnce = 4;

struct Part {
  int first;
  int last;  // one past it
};

// Values of a few adjacent pixels of one plane, those of `part` of them. `x`, `y`: of the first, in the tile's result.
template <class Element>
__device__ void take_values(const TensorTile<const Element>& result, int shuffle, int plane, int y, int x, Part part,
                            float (&values)[kPixels]) {
  const Steps& steps = result.steps;
  const bool whole = part.first == 0 && part.last == kPixels;
  if (shuffle == 1) {
    const Element* const from = result.data + plane * steps.plane + y * steps.row + x * steps.pixel;
    if (whole && steps.pixel == 1 && is_row_aligned<kPixels>(from)) {
      Element elements[kPixels];
      take_row(from, elements);
      for (int i = 0; i < kPixels; ++i) values[i] = to_float(elements[i]);
      return;
    }
    for (int i = 0; i < kPixels; ++i) {
      if (i >= part.first && i < part.last) values[i] = to_float(from[i * steps.pixel]);
    }
    return;
  }
  // Each pixel of the result has shuffle x shuffle pixels of every plane, row by row.
  const Element* const from =
      result.data + (plane * shuffle + y % shuffle) * shuffle * steps.plane + y / shuffle * steps.row;
  int column = (x + part.first) / shuffle;
  int k = (x + part.first) % shuffle;
  const Element* const first = from + column * steps.pixel + k * steps.plane;
  if (whole && steps.plane == 1 && k + kPixels <= shuffle && is_row_aligned<kPixels>(first)) {
    Element elements[kPixels];
    take_row(first, elements);
    for (int i = 0; i < kPixels; ++i) values[i] = to_float(elements[i]);
    return;
  }
  for (int i = 0; i < kPixels; ++i) {
    if (i < part.first || i >= part.last) continue;
    values[i] = to_float(from[column * steps.pixel + k * steps.plane]);
    if (++k == shuffle) {
      k = 0;
      ++column;
    }
  }
}

__device__ inline float base_value(const AnyTile& base, index_t at) {
  return base.is_half ? to_float(static_cast<const Half*>(base.data)[at]) : static_cast<const float*>(base.data)[at];
}

__device__ inline void add_base(const AnyTile& base, int shuffle, int plane, int y, int x, Part part,
                                float (&values)[kPixels]) {
  const index_t from = plane * base.steps.plane + y / shuffle * base.steps.row;
  for (int i = 0; i < kPixels; ++i) {
    if (i >= part.first && i < part.last) values[i] += base_value(base, from + (x + i) / shuffle * base.steps.pixel);
  }
}

// The pixels of a thread in one row, and where that row lies.
struct Place {
  int row;      // of the output
  int column;   // of the first pixel
  Part counts;  // pixels that this tile has to give
  Part owned;   // those that are not only for the next tile to fade with
};

// What becomes of one plane: values on their way to samples, faded in and kept where they must be.
template <class Element, class Sample>
__device__ int fade(const BlendArguments<Element, Sample>& blend, int plane, const Place& place,
                    float (&values)[kPixels]) {
  const int y = place.row - blend.y.origin;
  const int x = place.column - blend.x.origin;
  take_values(blend.result, blend.shuffle, plane, y, x, place.counts, values);
  if (blend.base.data != nullptr) add_base(blend.base, blend.shuffle, plane, y, x, place.counts, values);

  const bool fades_in = place.row < blend.y.begin + blend.y.lead;
  const index_t strip = (static_cast<index_t>(plane) * blend.tile_height + y) * blend.feather;
  int not_finite = 0;
  for (int i = 0; i < kPixels; ++i) {
    if (i < place.counts.first || i >= place.counts.last) continue;
    const int column = place.column + i;
    not_finite += is_finite(values[i]) ? 0 : 1;
    if (column >= blend.x.end) {
      put(blend.columns.kept + strip + (column - blend.x.end), values[i]);
      continue;
    }
    const int into = column - blend.x.begin;
    if (into < blend.x.lead) {
      values[i] = cross_fade(blend.columns.faded[strip + into], values[i], blend.ramp[into]);
    }
    if (fades_in) {
      const int row = place.row - blend.y.begin;
      const index_t above = (static_cast<index_t>(plane) * blend.feather + row) * blend.width + column;
      values[i] = cross_fade(blend.rows.faded[above], values[i], blend.ramp[row]);
    }
  }
  return not_finite;
}

template <class Element, class Sample>
__device__ void keep_row(const BlendArguments<Element, Sample>& blend, int plane, const Place& place,
                         const float (&values)[kPixels]) {
  const int row = place.row - blend.y.end;
  float* const kept =
      blend.rows.kept + (static_cast<index_t>(plane) * blend.feather + row) * blend.width + place.column;
  for (int i = 0; i < kPixels; ++i) {
    if (i >= place.owned.first && i < place.owned.last) put(kept + i, values[i]);
  }
}

template <int kPlanes, int kChannels, class Element, class Sample>
__device__ void store_samples(const BlendArguments<Element, Sample>& blend, const Place& place,
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
  const index_t pixel = static_cast<index_t>(place.row - blend.y.begin) * blend.width + place.column;
  Sample* const target = blend.target + pixel * blend.target_channels;
  if (place.owned.first == 0 && place.owned.last == kPixels && blend.target_channels == kChannels) {
    put_row(target, samples, kPixels * kChannels);
    return;
  }
  for (int i = 0; i < kPixels; ++i) {
    if (i < place.owned.first || i >= place.owned.last) continue;
    for (int channel = 0; channel < kChannels; ++channel) {
      put(target + i * blend.target_channels + channel, samples[i * kChannels + channel]);
    }
  }
}

// Every thread has a few pixels of a row, finds what they are made of, and writes them.
template <int kPlanes, int kChannels, class Element, class Sample>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight, kBlocksAtOnce)
    blend_tile(const BlendArguments<Element, Sample> blend) {
  const int column = (blend.x.begin / kPixels + thread_column()) * kPixels;
  const Part counts{blend.x.begin > column ? blend.x.begin - column : 0,
                    blend.x.end + blend.x.trail - column < kPixels ? blend.x.end + blend.x.trail - column : kPixels};
  const Part owned{counts.first, blend.x.end - column < counts.last ? blend.x.end - column : counts.last};
  if (counts.last <= 0) return;
  int not_finite = 0;
  for (int row = blend.y.begin + first_thread_row(); row < blend.y.end + blend.y.trail; row += thread_row_step()) {
    const Place place{row, column, counts, owned};
    float values[kPlanes][kPixels] = {};
    for (int plane = 0; plane < kPlanes; ++plane) not_finite += fade(blend, plane, place, values[plane]);
    if (row < blend.y.end) {
      store_samples<kPlanes, kChannels>(blend, place, values);
    } else {
      for (int plane = 0; plane < kPlanes; ++plane) keep_row(blend, plane, place, values[plane]);
    }
  }
  if (not_finite > 0) atomicAdd(blend.not_finite, static_cast<unsigned long long>(not_finite));
}

}  // namespace

template <class Element, class Sample>
void blend(const BlendArguments<Element, Sample>& arguments, index_t planes, index_t channels, const Stream& stream) {
  const OnDevice on(stream.device());
  check(cudaMemsetAsync(arguments.not_finite, 0, sizeof(*arguments.not_finite), stream.handle()), "cudaMemsetAsync");
  const index_t first = arguments.x.begin / kPixels;
  const index_t last = (arguments.x.end + arguments.x.trail + kPixels - 1) / kPixels;
  const index_t height = arguments.y.end + arguments.y.trail - arguments.y.begin;
  const cudaLaunchConfig_t config = grid_of(last - first, height, 1, stream);
  auto kernel = &blend_tile<3, 3, Element, Sample>;
  if (channels < planes) kernel = &blend_tile<3, 1, Element, Sample>;
  if (planes == 1) kernel = &blend_tile<1, 1, Element, Sample>;
  check(cudaLaunchKernelEx(&config, kernel, arguments), "cudaLaunchKernelEx");
}

#define TILEWRIGHT_BLEND(ELEMENT, SAMPLE) \
  template void blend<ELEMENT, SAMPLE>(const BlendArguments<ELEMENT, SAMPLE>&, index_t, index_t, const Stream&)
TILEWRIGHT_BLEND(float, std::uint8_t);
TILEWRIGHT_BLEND(float, std::uint16_t);
TILEWRIGHT_BLEND(Half, std::uint8_t);
TILEWRIGHT_BLEND(Half, std::uint16_t);
#undef TILEWRIGHT_BLEND

}  // namespace tilewright::cuda
