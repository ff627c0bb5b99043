// Kernels over one row of pixels: the only code that is compiled once per instruction set.
#pragma once

#include "core/isa.h"
#include "core/types.h"

namespace tilewright {

bool has_row_kernels(Isa isa);

// Interleaved samples to network planes. `stride`: samples per pixel.
template <class Sample, class Element>
struct LoadKernels {
  // The first three samples of every pixel into three planes. stride: 3 or 4.
  void (*three)(const Sample* pixels, index_t stride, index_t width, ValueRange range, Element* const planes[3]);
  // The sample that `pixels` points to, of every pixel, into one plane.
  void (*one)(const Sample* pixels, index_t stride, index_t width, ValueRange range, Element* plane);
};

// Network planes to interleaved samples. `stride`: samples per pixel. All return how many values were not finite.
template <class Element, class Sample>
struct StoreKernels {
  // Three planes into the first three samples of every pixel. stride: 3 or 4.
  index_t (*three)(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels, index_t stride);
  // One plane, or the mean of three, into the sample that `pixels` points to, of every pixel.
  index_t (*one)(const Element* plane, index_t width, ValueRange range, Sample* pixels, index_t stride);
  index_t (*mean)(const Element* const planes[3], index_t width, ValueRange range, Sample* pixels, index_t stride);
  // As `three`, of planes whose pixel shuffle is still to be done: `parts` are `shuffle` rows of each plane, as in
  // FloatKernels, `bases` what is added to each plane, or null; `width` is that of a part.
  index_t (*shuffled)(const Element* const* parts, index_t shuffle, const float* const bases[3], index_t width,
                      ValueRange range, Sample* pixels, index_t stride);
};

// A row on its way through a feather.
struct FloatKernels {
  // out[i] = row[i], as a float. Both return how many were not finite.
  index_t (*from_float)(const float* row, index_t width, float* out);
  index_t (*from_half)(const Half* row, index_t width, float* out);
  // to[i] = cross_fade(from[i], to[i], weights[i]); `weight` is the same for the whole row in the second form.
  void (*fade_columns)(const float* from, const float* weights, index_t width, float* to);
  void (*fade_row)(const float* from, float weight, index_t width, float* to);
  // Pixel shuffle: out[shuffle * i + k] = planes[k][i] for all k < shuffle, as floats, plus base[i] unless base is
  // null.
  void (*shuffle_floats)(const float* const* planes, index_t shuffle, const float* base, index_t width, float* out);
  void (*shuffle_halves)(const Half* const* planes, index_t shuffle, const float* base, index_t width, float* out);
};

template <class Sample, class Element>
const LoadKernels<Sample, Element>& load_kernels(Isa isa);
template <class Element, class Sample>
const StoreKernels<Element, Sample>& store_kernels(Isa isa);
const FloatKernels& float_kernels(Isa isa);

}  // namespace tilewright
