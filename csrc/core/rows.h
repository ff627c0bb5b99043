// Kernels over one row of pixels: the only code that is compiled once per instruction set.
#pragma once

#include "core/cpu_isa.h"
#include "core/types.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define TILEWRIGHT_X86_ROWS 1
#else
#define TILEWRIGHT_X86_ROWS 0
#endif

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

// Network planes to interleaved samples. `stride`: samples per pixel.
template <class Sample>
struct StoreKernels {
  void (*three)(const float* const planes[3], index_t width, ValueRange range, Sample* pixels, index_t stride);
  void (*one)(const float* plane, index_t width, ValueRange range, Sample* pixels, index_t stride);
};

struct FloatKernels {
  // to[i] = cross_fade(from[i], to[i], weights[i]); `weight` is the same for the whole row in the second form.
  void (*fade_columns)(const float* from, const float* weights, index_t width, float* to);
  void (*fade_row)(const float* from, float weight, index_t width, float* to);
  // mean[i] = ((a[i] + b[i]) + c[i]) / 3
  void (*mean_of_three)(const float* const planes[3], index_t width, float* mean);
  void (*from_half)(const Half* row, index_t width, float* out);
  index_t (*count_not_finite)(const float* row, index_t width);
};

template <class Sample, class Element>
const LoadKernels<Sample, Element>& load_kernels(Isa isa);
template <class Sample>
const StoreKernels<Sample>& store_kernels(Isa isa);
const FloatKernels& float_kernels(Isa isa);

}  // namespace tilewright
